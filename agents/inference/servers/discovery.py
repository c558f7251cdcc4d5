"""Asking a server about itself: what it serves, whether it is well, which vLLM it is. And how one is started."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.inference.errors import BadReplyError, PermanentError, ServerLostError
from agents.inference.servers.api_key import without_key
from agents.inference.servers.wire import LONGEST_BODY, read_json, shown, too_long
from agents.sanitize import sanitize

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 2.0
ASK_TIMEOUT = 5.0
_UNAUTHORIZED = (401, 403)
_BUSY = 429


@dataclass(frozen=True)
class ServedModel:
    """One row of a server's `/models`; an adapter names the base it belongs to as its `parent`."""

    name: str
    parent: str | None = None
    root: str | None = None
    max_model_len: int | None = None


def open_session() -> aiohttp.ClientSession:
    """A session for questions of this kind: short time-outs."""
    import aiohttp

    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_TIMEOUT, connect=CONNECT_TIMEOUT))


async def list_models(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> list[ServedModel]:
    """What the server at `url` serves. Raises ServerLostError where none answers, PermanentError for another answer."""
    status, body = await _get(session, f"{url}/models", url, headers)
    if status in _UNAUTHORIZED:
        raise PermanentError(
            f"{url} answered {status}: it wants an API key; name the variable that holds it: api_key_env"
        )
    if status != 200:
        raise PermanentError(f"{url}/models answered {status} (does the URL end in /v1?)")
    try:
        return read_models(read_json(body, url), url)
    except BadReplyError as error:
        raise PermanentError(str(error)) from error


async def is_healthy(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> bool:
    """Whether the server says it is well: `/health`, or `/models` where there is no such page.

    Raises ServerLostError where none answers.
    """
    status, _ = await _get(session, f"{root_of(url)}/health", url, headers)
    if 400 <= status < 500:  # no such page, or a gateway that does not show it
        status, _ = await _get(session, f"{url}/models", url, headers)
    return status in (200, _BUSY)


async def ask_version(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> str | None:
    """The vLLM version the server tells; None where it tells none. Raises ServerLostError where none answers."""
    status, body = await _get(session, f"{root_of(url)}/version", url, headers)
    try:
        told = read_json(body, url) if status == 200 else None
    except BadReplyError:
        return None
    return sanitize(shown(told["version"])) if isinstance(told, dict) and "version" in told else None


async def _get(session: aiohttp.ClientSession, address: str, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    import aiohttp

    try:
        async with session.get(address, headers=headers) as response:
            return response.status, without_key(await read_body(response, url), headers)
    except BadReplyError as error:
        raise PermanentError(str(error)) from error
    except asyncio.TimeoutError as error:
        raise ServerLostError(f"nothing answers at {url} within {ASK_TIMEOUT:.0f} s", overload=True) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise ServerLostError(f"nothing answers at {url} ({reason(error)})", refused=is_refusal(error)) from error


async def read_body(response: aiohttp.ClientResponse, url: str) -> bytes:
    """The whole body. Raises BadReplyError where it is longer than is sensible."""
    told = response.content_length
    if told is not None and told <= LONGEST_BODY and "Content-Encoding" not in response.headers:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_BODY:
            raise too_long(url)
    return b"".join(parts)


def read_models(payload: Any, url: str) -> list[ServedModel]:
    """The rows of a server's `/models`. Raises PermanentError where it is no such list."""
    match payload:
        case {"data": list(rows)}:
            return [_served(row) for row in rows if isinstance(row, dict) and _name(row.get("id"))]
        case _:
            raise PermanentError(f"{url}/models did not list models; is it an OpenAI-compatible server?")


def _served(row: dict[str, Any]) -> ServedModel:
    """What is told of a model; what is of another type than vLLM's counts as not told."""
    longest = row.get("max_model_len")
    return ServedModel(
        name=row["id"],
        parent=_name(row.get("parent")),
        root=_name(row.get("root")),
        max_model_len=longest if type(longest) is int and longest > 0 else None,
    )


def _name(told: object) -> str | None:
    """A name that may be printed; None where a server tells something else."""
    return told if isinstance(told, str) and told and sanitize(told) == told else None


def root_of(url: str) -> str:
    """The address above the API: vLLM's `/health`, `/version` and `/metrics` stand there, beside `/v1`."""
    return url.removesuffix("/v1")


def how_to_start(url: str) -> str:
    """The command that would make a server answer at `url`."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = None
    return f"start one with: vllm serve BASE --port {port or 8000} --enable-lora --lora-modules NAME=PATH"


def answers(url: str, headers: Callable[[], Mapping[str, str]]) -> bool:
    """One synchronous ask, for callers without an event loop: does a server list models there?"""
    from urllib.request import ProxyHandler, Request, build_opener

    try:
        question = Request(f"{url}/models", headers=dict(headers()))
        with build_opener(ProxyHandler({})).open(question, timeout=CONNECT_TIMEOUT) as response:
            return bool(response.status == 200)
    except (OSError, ValueError, HTTPException, PermanentError):  # an HTTP error status is an OSError too
        return False


def reason(error: BaseException) -> str:
    """A connection error in a few words."""
    cause = _cause(error)
    number = getattr(cause, "errno", None) or 0
    if number > 0:
        return os.strerror(number).lower()
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__


def is_refusal(error: BaseException) -> bool:
    """Whether the machine answered that nothing listens there, which a busy server never does."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(_cause(seen), ConnectionRefusedError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "os_error", None) or error.__cause__ or error
