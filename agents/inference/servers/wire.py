"""Requests to and answers from a server with the OpenAI chat API. Pure: no input or output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import orjson

from agents.inference.backend import Completion, as_openai
from agents.inference.errors import (
    BadReplyError,
    InferenceError,
    LoadingError,
    OtherModelError,
    PermanentError,
    RefusedAdapterError,
    SetupError,
    TransientError,
    UnknownAdapterError,
)
from agents.inference.fault import Fault
from agents.inference.provenance import Request
from agents.inference.servers.choice_odds import choice_probability, choice_shares, odds_fields
from agents.inference.servers.dialects.dialect import DEFAULT_DIALECT, Dialect
from agents.inference.servers.known_words import explain
from agents.inference.servers.refusal import Explanation, names
from agents.inference.servers.reply import read_message, shown

__all__ = ["shown"]  # beside what is defined here

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
REQUEST_TIMEOUT, TOO_MANY_REQUESTS, SERVER_ERROR, UNAVAILABLE = 408, 429, 500, 503
LONGEST_BODY = 8 * 2**20
"""The most bytes of an answer that are read; a reply of 4096 tokens has about 30,000."""
MOST_PARTS = 100_000
"""The most lists and mappings in an answer: a body of nothing else takes thirty times its length in memory."""
_SHOWN = 300
_LONGEST_MESSAGE = 1500


def chat_body(request: Request, dialect: Dialect = DEFAULT_DIALECT, model: str | None = None) -> dict[str, Any]:
    """Return the JSON body of `/chat/completions` for a request.

    Args:
        request: The request.
        dialect: How the server must be asked.
        model: The server's name for the adapter; the adapter's own by default.
    """
    body: dict[str, Any] = {
        "model": model or request.adapter,
        "messages": chat_messages(request, dialect),
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        dialect.tokens_field: token_budget(request, dialect),
    }
    if request.seed is not None and dialect.seed:
        body["seed"] = request.seed
    if request.tools:
        body |= tool_fields(request)
    if request.choices:
        body |= constraint(request, dialect)
    if request.thinking is not None:
        body |= thinking_fields(request, dialect)
    return body | odds_fields(request) if dialect.odds and request.choices else body


def chat_messages(request: Request, dialect: Dialect = DEFAULT_DIALECT) -> list[dict[str, Any]]:
    """Return the prompt; where the server takes no system message, its text begins the first user message."""
    messages = as_openai(request.messages)
    if dialect.system or not any(message["role"] == "system" for message in messages):
        return messages
    text = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [message for message in messages if message["role"] != "system"]
    if not others or others[0]["role"] != "user":
        return [{"role": "user", "content": text}, *others]
    return [{**others[0], "content": f"{text}\n\n{others[0]['content']}"}, *others[1:]]


def constraint(request: Request, dialect: Dialect = DEFAULT_DIALECT) -> dict[str, Any]:
    """Return the fields that make the reply one of `request.choices`; empty for free text."""
    return dialect.constraint.fields(request.choices) if request.choices else {}


def thinking_fields(request: Request, dialect: Dialect = DEFAULT_DIALECT) -> dict[str, Any]:
    """Return the field that asks the chat template for a thought, or for none; empty where nothing is set, or taken."""
    if request.thinking is None or not dialect.thinking:
        return {}
    return {"chat_template_kwargs": {"enable_thinking": request.thinking}}


def tool_fields(request: Request) -> dict[str, Any]:
    """Return the fields that offer `request.tools`; empty without tools."""
    if not request.tools:
        return {}
    return {"tools": list(request.tools), "tool_choice": "required" if request.must_use_tool else "auto"}


def token_budget(request: Request, dialect: Dialect = DEFAULT_DIALECT) -> int:
    """Return the tokens that the reply may have: enough for the longest choice (a token is at least one byte)."""
    if not request.choices:
        return request.sampling.max_tokens
    longest = _longest(tuple(request.choices))
    return max(request.sampling.max_tokens, longest + 1 + dialect.constraint.extra_tokens)


@lru_cache(maxsize=1024)
def _longest(choices: tuple[str, ...]) -> int:
    """Return the bytes of the longest choice; most players have the same choices."""
    return max([len(choice.encode()) for choice in choices])


def read_completion(
    payload: Any, endpoint: str, adapter: str | None, allowed: Sequence[str] | None = None, *, thinks: bool = False
) -> Completion:
    """Read the text, thought, tool calls and token counts of a chat completion.

    Args:
        payload: The answer's JSON.
        endpoint: The server's URL.
        adapter: The name that the answer must name as its model.
        allowed: The choices of the request.
        thinks: Whether the request asked for a thought.

    Raises:
        BadReplyError: The answer has another shape, or several replies.
        OtherModelError: The answer names another model.
    """
    choices = payload.get("choices") if isinstance(payload, dict) else None
    match choices:
        case [{"message": dict()} as choice]:
            answered_by = payload.get("model", adapter)
            if answered_by != adapter:
                raise other_model(endpoint, answered_by, adapter)
            completion = read_message(choice, payload.get("usage"), endpoint, allowed or (), thinks=thinks)
            picked = (completion.text, allowed or (), choice.get("logprobs"))
            chance = choice_probability(*picked)
            if chance is None:
                return completion
            return replace(completion, choice_probability=chance, shares=choice_shares(*picked))
        case [_, _, *_]:
            raise BadReplyError(f"{endpoint} sent {len(choices)} answers to one request")
        case _:
            raise no_reply(payload, endpoint, adapter or "")


def no_reply(payload: Any, endpoint: str, adapter: str) -> InferenceError:
    """Return the error of an answer with status 200 that has no reply: some servers send their refusals so."""
    match payload:
        case {"error": dict(error)}:
            status = error.get("code")
        case {"error": str()} | {"object": "error"}:
            status = payload.get("code")
        case _:
            return BadReplyError(f"{endpoint} answered without choices; is it an OpenAI-compatible server?")
    status = status if type(status) is int and 400 <= status < 600 else SERVER_ERROR
    found = error_of(status, orjson.dumps(payload), {}, adapter=adapter, endpoint=endpoint, served=())
    return found if type(found) is not UnknownAdapterError else RefusedAdapterError(adapter, server_message_of(payload))


def other_model(endpoint: str, answered_by: Any, adapter: str | None) -> OtherModelError:
    """Return the error for an answer that names another model than the one that was asked for."""
    name = shown(answered_by)
    return OtherModelError(
        f"{endpoint} answered as model {name!r} instead of {adapter!r}, so another model may have answered. If that is "
        f"the server's name for it, say so in the scenario, at this endpoint: reply_names: {{{adapter}: {name}}}",
        name,
    )


def read_json(body: bytes, endpoint: str) -> Any:
    """Read a body as JSON.

    Raises:
        BadReplyError: It is not JSON, or has more than `MOST_PARTS` lists and mappings.
    """
    parts = body.count(b"[") + body.count(b"{")
    if parts > MOST_PARTS:
        raise BadReplyError(f"{endpoint} sent {parts:,} lists and mappings in one answer; {MOST_PARTS:,} are read")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        shown = body[:_SHOWN].decode(errors="replace")
        raise BadReplyError(f"{endpoint} answered with malformed JSON ({error}): {shown!r}") from error


def too_long(endpoint: str) -> BadReplyError:
    """Return the error for an answer of more than `LONGEST_BODY` bytes."""
    return BadReplyError(f"{endpoint} sent more than {LONGEST_BODY // 2**20} MiB in answer to one request")


def error_of(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    adapter: str,
    endpoint: str,
    served: Sequence[str],
) -> InferenceError:
    """Return the error that an HTTP answer other than 200 means.

    Args:
        status: The HTTP status.
        body: The body.
        headers: The answer's headers.
        adapter: The name that was asked for.
        endpoint: The server's URL.
        served: The names that the endpoint was known to serve.
    """
    message = server_message(body)
    text = f"{endpoint} answered {status}: {message[:_LONGEST_MESSAGE]}"
    known = explain(status, message, adapter)
    if known is not None:
        return _known_error(known, f"{text} ({known})", status, headers, adapter, endpoint, served)
    if status == NOT_FOUND:
        return PermanentError(f"{text} (does the endpoint's URL end in /v1?)", fault=Fault.SERVER)
    if status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS) or status >= SERVER_ERROR:
        whose = Fault.ADAPTER if names(message, adapter) else Fault.SERVER
        return _transient(text, status, headers, whose)
    return SetupError(text) if status in (UNAUTHORIZED, FORBIDDEN) else PermanentError(text)


def _known_error(
    known: Explanation,
    text: str,
    status: int,
    headers: Mapping[str, str],
    adapter: str,
    endpoint: str,
    served: Sequence[str],
) -> InferenceError:
    """Return the error of a refusal whose words are known."""
    if known.key == "adapter_unknown":
        return UnknownAdapterError(adapter, endpoint, [name for name in served if name != adapter])
    if known.key == "loading":
        return LoadingError(text, retry_after(headers.get("Retry-After")))
    if not known.lasting:
        return _transient(text, status, headers, known.fault)
    if known.fault is Fault.ADAPTER:
        return RefusedAdapterError(adapter, text)
    return SetupError(text) if known.fault is Fault.SERVER else PermanentError(text)


def _transient(text: str, status: int, headers: Mapping[str, str], fault: Fault) -> TransientError:
    overload = status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS, UNAVAILABLE)
    return TransientError(text, retry_after(headers.get("Retry-After")), overload=overload, fault=fault)


def server_message(body: bytes) -> str:
    """Return the server's error message, in any of the known shapes; else the beginning of the body."""
    try:
        payload = read_json(body, "")
    except BadReplyError:
        return body[:_SHOWN].decode(errors="replace").strip() or "no message"
    return server_message_of(payload)


def server_message_of(payload: Any) -> str:
    """Return the error message in a server's JSON; else a short text of the JSON."""
    match payload:
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)}:
            return message
        case {"detail": str(message)} | {"detail": {"error": str(message)}} | {"detail": {"message": str(message)}}:
            return message
        case {"detail": detail}:
            return shown(detail)
        case _:
            return shown(payload)


def retry_after(header: str | None) -> float | None:
    """Return the seconds to wait by a Retry-After header (a number of seconds or an HTTP date); None without one."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _seconds_until(header)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return max(0.0, (aware - datetime.now(timezone.utc)).total_seconds())
