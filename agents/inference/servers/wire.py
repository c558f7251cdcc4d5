"""What goes over the wire to a vLLM server and how its answers read. Pure: no socket here.

The server speaks the OpenAI chat API; `structured_outputs` is vLLM's own field for constrained replies.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from agents.inference.backend import Completion, as_openai
from agents.inference.errors import BadReplyError, InferenceError, PermanentError, TransientError, UnknownAdapterError
from agents.inference.provenance import Request, ToolCall

NOT_FOUND, REQUEST_TIMEOUT, TOO_MANY_REQUESTS, SERVER_ERROR, UNAVAILABLE = 404, 408, 429, 500, 503
LONGEST_BODY = 8 * 2**20
"""Bytes of an answer that are read; a reply of 4096 tokens takes some 30,000."""
MOST_PARTS = 100_000
"""Lists and mappings an answer may hold: a body of nothing else takes thirty times its length when it is read."""
MOST_TOOL_CALLS = 128
MOST_TOKENS = 2**31 - 1
_SHOWN = 300
_LONGEST_MESSAGE = 1500
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxstring, _SHORT.maxother = 5, 6, 8, 200, 60


def chat_body(request: Request) -> dict[str, Any]:
    """The JSON body of `/chat/completions` for `request`."""
    body: dict[str, Any] = {
        "model": request.adapter,
        "messages": as_openai(request.messages),
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "max_tokens": token_budget(request),
    }
    if request.seed is not None:
        body["seed"] = request.seed
    return body | tool_fields(request) | constraint(request)


def constraint(request: Request) -> dict[str, Any]:
    """vLLM's field that makes the reply one of `request.choices`; empty for free text."""
    return {"structured_outputs": {"choice": list(request.choices)}} if request.choices else {}


def tool_fields(request: Request) -> dict[str, Any]:
    """The fields that offer `request.tools`; empty without."""
    if not request.tools:
        return {}
    return {"tools": list(request.tools), "tool_choice": "required" if request.must_use_tool else "auto"}


def token_budget(request: Request) -> int:
    """Tokens the reply may take: a constrained choice is never cut (a token is at least one byte)."""
    longest = max((len(choice.encode()) for choice in request.choices or ()), default=0)
    return max(request.sampling.max_tokens, longest + 1 if longest else 0)


def read_completion(payload: Any, endpoint: str, adapter: str | None) -> Completion:
    """The text, tool calls and token counts of a chat completion.

    Raises BadReplyError for another shape, for more answers than were asked for, and for another model's answer.
    """
    choices = payload.get("choices") if isinstance(payload, dict) else None
    match choices:
        case [{"message": dict(message)} as choice]:
            answered_by = payload.get("model", adapter)
            if answered_by != adapter:
                raise BadReplyError(f"{endpoint} let the model {shown(answered_by)!r} answer for {adapter!r}")
            return _completion(message, choice, payload.get("usage"), endpoint)
        case [_, _, *_]:
            raise BadReplyError(f"{endpoint} sent {len(choices)} answers to one request")
        case _:
            raise BadReplyError(f"{endpoint} answered without choices; is it an OpenAI-compatible server?")


def _completion(message: dict[str, Any], choice: dict[str, Any], usage: Any, endpoint: str) -> Completion:
    text, calls = message.get("content"), _tool_calls(message.get("tool_calls"), endpoint)
    if not isinstance(text, str):
        if not calls:
            raise BadReplyError(f"{endpoint} answered without text: the reply's content is missing")
        text = ""
    counts = usage if isinstance(usage, dict) else {}
    ended = choice.get("finish_reason")
    reason = ended[:_SHOWN] if isinstance(ended, str) else ""
    return Completion(
        text=text,
        endpoint=endpoint,
        prompt_tokens=_count(counts, "prompt_tokens"),
        completion_tokens=_count(counts, "completion_tokens"),
        finish_reason=reason,
        tool_calls=calls,
        cached_tokens=_count(counts.get("prompt_tokens_details"), "cached_tokens"),
    )


def _tool_calls(rows: Any, endpoint: str) -> tuple[ToolCall, ...]:
    if not rows:
        return ()
    if not isinstance(rows, list):
        raise BadReplyError(f"{endpoint} answered with tool calls that are no list: {shown(rows)}")
    if len(rows) > MOST_TOOL_CALLS:
        raise BadReplyError(f"{endpoint} answered with {len(rows)} tool calls; {MOST_TOOL_CALLS} are read at most")
    return tuple(_tool_call(row, endpoint) for row in rows)


def _tool_call(row: Any, endpoint: str) -> ToolCall:
    match row:
        case {"function": {"name": str(name), "arguments": str(arguments)}, **rest}:
            told = rest.get("id")
            return ToolCall(told if isinstance(told, str) else "", name, arguments)
        case _:
            raise BadReplyError(f"{endpoint} answered with a tool call that names no function: {shown(row)}")


def _count(counts: Any, name: str) -> int | None:
    """A number of tokens; None where none is told, or what is told is none."""
    found = counts.get(name) if isinstance(counts, dict) else None
    return found if type(found) is int and 0 <= found <= MOST_TOKENS else None


def shown(value: Any) -> str:
    """What a server sent, whatever that is, in a few words."""
    return (value if isinstance(value, str) else _SHORT.repr(value))[:_SHOWN]


def read_json(body: bytes, endpoint: str) -> Any:
    """`body` as JSON. Raises BadReplyError where it is none, or of more than `MOST_PARTS` lists and mappings."""
    parts = body.count(b"[") + body.count(b"{")
    if parts > MOST_PARTS:
        raise BadReplyError(f"{endpoint} sent {parts:,} lists and mappings in one answer; {MOST_PARTS:,} are read")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        shown = body[:_SHOWN].decode(errors="replace")
        raise BadReplyError(f"{endpoint} answered with malformed JSON ({error}): {shown!r}") from error


def too_long(endpoint: str) -> BadReplyError:
    """The error for an answer of more than `LONGEST_BODY` bytes."""
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
    """The error an HTTP answer other than 200 is. `served` is what the endpoint was known to serve."""
    message = server_message(body)
    said = f"{endpoint} answered {status}: {message[:_LONGEST_MESSAGE]}"
    if status == NOT_FOUND and any(f"{quote}{adapter}{quote}" in message for quote in "`'\""):
        return UnknownAdapterError(adapter, endpoint, [name for name in served if name != adapter])
    if status == NOT_FOUND:
        return PermanentError(f"{said} (does the endpoint's URL end in /v1?)")
    if status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS) or status >= SERVER_ERROR:
        overload = status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS, UNAVAILABLE)
        return TransientError(said, retry_after(headers.get("Retry-After")), overload=overload)
    return PermanentError(said)


def server_message(body: bytes) -> str:
    """What the server says went wrong, in whichever of the known shapes; else the body's beginning."""
    try:
        payload = read_json(body, "")
    except BadReplyError:
        return body[:_SHOWN].decode(errors="replace").strip() or "no message"
    match payload:
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)}:
            return message
        case {"detail": detail}:
            return shown(detail)
        case _:
            return shown(payload)


def retry_after(header: str | None) -> float | None:
    """Seconds to wait by a Retry-After header (a number of seconds or an HTTP date); None without one."""
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
