"""What goes over the wire to a vLLM server and how its answers read. Pure: no socket here.

The server speaks the OpenAI chat API; `structured_outputs` is vLLM's own field for constrained replies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from agents.inference.backend import Completion, as_openai
from agents.inference.errors import InferenceError, PermanentError, TransientError, UnknownAdapterError
from agents.inference.provenance import Request

NOT_FOUND, REQUEST_TIMEOUT, TOO_MANY_REQUESTS, SERVER_ERROR = 404, 408, 429, 500
_SHOWN = 300


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
    return body | constraint(request)


def constraint(request: Request) -> dict[str, Any]:
    """vLLM's field that makes the reply one of `request.choices`; empty for free text."""
    return {"structured_outputs": {"choice": list(request.choices)}} if request.choices else {}


def token_budget(request: Request) -> int:
    """Tokens the reply may take: a constrained choice is never cut (a token is at least one byte)."""
    longest = max((len(choice.encode()) for choice in request.choices or ()), default=0)
    return max(request.sampling.max_tokens, longest + 1 if longest else 0)


def read_completion(payload: Any, endpoint: str) -> Completion:
    """The text and token counts of a chat completion. Raises PermanentError for any other shape."""
    match payload:
        case {"choices": [{"message": {"content": str(text)}} as choice, *_], **rest}:
            return _completion(text, choice, rest.get("usage"), endpoint)
        case {"choices": [_, *_]}:
            raise PermanentError(f"{endpoint} answered without text: the reply's content is missing")
        case _:
            raise PermanentError(f"{endpoint} answered without choices; is it an OpenAI-compatible server?")


def _completion(text: str, choice: Any, usage: Any, endpoint: str) -> Completion:
    counts = usage if isinstance(usage, dict) else {}
    return Completion(
        text=text,
        endpoint=endpoint,
        prompt_tokens=counts.get("prompt_tokens"),
        completion_tokens=counts.get("completion_tokens"),
        finish_reason=choice.get("finish_reason") or "",
    )


def read_json(body: bytes, endpoint: str) -> Any:
    """`body` as JSON. Raises PermanentError where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        shown = body[:_SHOWN].decode(errors="replace")
        raise PermanentError(f"{endpoint} answered with malformed JSON ({error}): {shown!r}") from error


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
    message = _server_message(body)
    said = f"{endpoint} answered {status}: {message}"
    if status == NOT_FOUND and any(f"{quote}{adapter}{quote}" in message for quote in "`'\""):
        return UnknownAdapterError(adapter, endpoint, [name for name in served if name != adapter])
    if status == NOT_FOUND:
        return PermanentError(f"{said} (does the endpoint's URL end in /v1?)")
    if status in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS) or status >= SERVER_ERROR:
        return TransientError(said, retry_after=retry_after(headers.get("Retry-After")))
    return PermanentError(said)


def _server_message(body: bytes) -> str:
    """What the server says went wrong, in whichever of the known shapes; else the body's beginning."""
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body[:_SHOWN].decode(errors="replace").strip() or "no message"
    match payload:
        case {"error": {"message": str(message)}} | {"error": str(message)} | {"message": str(message)}:
            return message
        case {"detail": detail}:
            return str(detail)[:_SHOWN]
        case _:
            return str(payload)[:_SHOWN]


def retry_after(header: str | None) -> float | None:
    """Seconds to wait by a Retry-After header (a number of seconds or an HTTP date); None without one."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        return _seconds_until(header)


def _seconds_until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds())
