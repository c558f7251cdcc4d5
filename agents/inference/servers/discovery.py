"""Ask a server what it serves, whether it is healthy and which vLLM it is; and the command that starts one."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agents.inference.errors import BadReplyError, LoadingError, PermanentError, ServerLostError
from agents.inference.servers.api_key import without_key
from agents.inference.servers.known_words import explain
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.wire import LONGEST_BODY, read_json, server_message, shown, too_long
from agents.sanitize import sanitize

if TYPE_CHECKING:
    import aiohttp

CONNECT_TIMEOUT = 2.0
ASK_TIMEOUT = 5.0
_UNAUTHORIZED = (401, 403)
_BUSY = 429


def open_session(trust_env: bool = False) -> aiohttp.ClientSession:
    """Return a session with short time-outs for these questions.

    Args:
        trust_env: Whether it uses the proxies that the environment names.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT, connect=CONNECT_TIMEOUT)
    return aiohttp.ClientSession(timeout=timeout, trust_env=trust_env)


async def list_models(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> list[ServedModel]:
    """Return what the server at `url` serves.

    Raises:
        ServerLostError: No server answers.
        PermanentError: It answers something else.
    """
    status, body = await _get(session, f"{url}/models", url, headers)
    if status in _UNAUTHORIZED:
        raise PermanentError(
            f"{url} answered {status}: it wants an API key; name the variable that holds it: api_key_env"
        )
    if status != 200 and is_loading(status, body):
        raise LoadingError(f"{url} is loading its model (it answered {status})")
    if status != 200:
        raise PermanentError(f"{url}/models answered {status} (does the URL end in /v1?)")
    try:
        return read_models(read_json(body, url), url)
    except BadReplyError as error:
        raise PermanentError(str(error)) from error


async def is_healthy(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> bool:
    """Return whether the server reports that it is healthy: at `/health`, or at `/models` if there is no such page.

    A server that is loading its model is: it will answer.

    Raises:
        ServerLostError: No server answers.
    """
    status, body = await _get(session, f"{root_of(url)}/health", url, headers)
    if 400 <= status < 500:  # no such page, or a gateway that does not show it
        status, body = await _get(session, f"{url}/models", url, headers)
    return status in (200, _BUSY) or is_loading(status, body)


def is_loading(status: int, body: bytes) -> bool:
    """Return whether a server says that it is loading its model."""
    known = explain(status, server_message(body)) if status >= 400 else None
    return known is not None and known.key == "loading"


async def ask_version(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> str | None:
    """Return the server's vLLM version; None if it gives none.

    Raises:
        ServerLostError: No server answers.
    """
    status, body = await _get(session, f"{root_of(url)}/version", url, headers)
    try:
        answer = read_json(body, url) if status == 200 else None
    except BadReplyError:
        return None
    return sanitize(shown(answer["version"])) if isinstance(answer, dict) and "version" in answer else None


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
    """Return the whole body. Raises as `read_content`."""
    return await read_content(response.content, response.headers, url)


async def read_content(content: aiohttp.StreamReader, headers: Mapping[str, str], url: str) -> bytes:
    """Return the whole body that an answer with these headers has.

    Raises:
        BadReplyError: It is longer than `LONGEST_BODY`.
    """
    length = headers.get("Content-Length")
    if length is not None and int(length) <= LONGEST_BODY and "Content-Encoding" not in headers:
        return content.read_nowait() if content.is_eof() else await content.read()
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LONGEST_BODY:
            raise too_long(url)
    return b"".join(parts)


def read_models(payload: Any, url: str) -> list[ServedModel]:
    """Return the rows of a server's `/models`.

    Raises:
        PermanentError: The answer is no such list.
    """
    match payload:
        case {"data": list(rows)}:
            return [_served(row) for row in rows if isinstance(row, dict) and _name(row.get("id"))]
        case _:
            raise PermanentError(f"{url}/models did not list models; is it an OpenAI-compatible server?")


def _served(row: dict[str, Any]) -> ServedModel:
    """Return a row as a model; a value of another type than vLLM's counts as missing."""
    longest = row.get("max_model_len")
    return ServedModel(
        name=row["id"],
        parent=_name(row.get("parent")),
        root=_name(row.get("root")),
        max_model_len=longest if type(longest) is int and longest > 0 else None,
        owned_by=_name(row.get("owned_by")),
    )


def _name(value: object) -> str | None:
    """Return a name that can be printed safely; None for anything else."""
    return value if isinstance(value, str) and value and sanitize(value) == value else None


def root_of(url: str) -> str:
    """Return the address above the API: vLLM has `/health`, `/version` and `/metrics` there, beside `/v1`."""
    return url.removesuffix("/v1")


def how_to_start(url: str) -> str:
    """Return the command that starts a server at `url`."""
    try:
        port = urlsplit(url).port
    except ValueError:
        port = None
    return f"start one with: vllm serve BASE --port {port or 8000} --enable-lora --lora-modules NAME=PATH"


def answers(url: str, headers: Callable[[], Mapping[str, str]], trust_env: bool = False) -> bool:
    """Return whether a server lists models at `url`. Synchronous, for callers without an event loop.

    Args:
        url: The server's URL.
        headers: Gives the headers; may raise PermanentError.
        trust_env: Whether the proxies that the environment names are used.
    """
    from urllib.request import ProxyHandler, Request, build_opener

    try:
        question = Request(f"{url}/models", headers=dict(headers()))
        with build_opener(ProxyHandler(None if trust_env else {})).open(question, timeout=CONNECT_TIMEOUT) as response:
            return bool(response.status == 200)
    except (OSError, ValueError, HTTPException, PermanentError):  # an HTTP error status is an OSError too
        return False


def reason(error: BaseException) -> str:
    """Return a connection error in a few words."""
    cause = _cause(error)
    number = getattr(cause, "errno", None) or 0
    if number > 0:
        return os.strerror(number).lower()
    return getattr(cause, "strerror", None) or without_login(str(cause)) or type(cause).__name__


def without_login(text: str) -> str:
    """Return a text without the user and password of an address in it, as those of a proxy."""
    return re.sub(r"[^\s/'\"@(]+@", "", text)


def is_refusal(error: BaseException) -> bool:
    """Return whether the machine refused the connection, as nothing listens there. A busy server does not refuse."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(_cause(seen), ConnectionRefusedError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "os_error", None) or error.__cause__ or error
