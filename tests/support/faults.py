"""Faults of a server's answer; a test parametrizes over `Fault` to check them all.

A mishap answers one request instead of the server. `mishap_of` makes the mishap of a fault; the functions below it make
others. Only REFUSED is not an answer: the server stops listening (`ScriptedVLLM.faulty`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from enum import Enum

from aiohttp import web

from tests.support.replies import completion

Mishap = Callable[[web.Request], Awaitable[web.StreamResponse]]

SLOW = 30.0  # seconds; longer than every timeout in the tests
DRIP = 0.02  # seconds between the pieces of a body that never ends
HUGE = 12 * 2**20  # bytes; more than a client may read
RETRY_AFTER = 0.1  # seconds
OTHER_MODEL = "someone-else"


class Fault(str, Enum):
    REFUSED = "refused"
    """Nothing listens."""
    DROPPED = "dropped"
    """The connection ends before an answer."""
    RESET_MID_BODY = "reset_mid_body"
    """A body is announced, and the connection is reset in the middle of it."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """429 with Retry-After."""
    SERVER_ERROR = "server_error"
    """500, as from a dead engine."""
    SLOW_HEADERS = "slow_headers"
    """Nothing for SLOW seconds, then a correct answer."""
    NEVER_ENDING_BODY = "never_ending_body"
    """Headers at once, and a body without end."""
    TRUNCATED_JSON = "truncated_json"
    """A complete HTTP answer whose JSON stops in the middle."""
    INVALID_JSON = "invalid_json"
    """A gateway's HTML page, sent as 200 and JSON."""
    WRONG_MODEL = "wrong_model"
    """A correct reply of another model."""
    EMPTY_CONTENT = "empty_content"
    """An empty reply."""
    DUPLICATE_CHOICES = "duplicate_choices"
    """Two different replies, both with index 0."""
    HUGE_BODY = "huge_body"
    """A reply of HUGE bytes."""
    GARBAGE_UTF8 = "garbage_utf8"
    """A reply whose bytes are not UTF-8."""


def mishap_of(fault: Fault) -> Mishap:
    """Return the mishap of a fault.

    Raises:
        ValueError: `fault` is REFUSED, which is not an answer.
    """
    if fault is Fault.REFUSED:
        raise ValueError("a server that listens cannot refuse one call; use `async with server.faulty(Fault.REFUSED)`")
    return _MISHAPS[fault]


# -- mishaps ------------------------------------------------------------------------------------------------


def status(code: int, message: str = "as scripted", headers: dict[str, str] | None = None) -> Mishap:
    async def mishap(_request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": message, "code": code}}, status=code, headers=headers)

    return mishap


def raw(body: str | bytes, content_type: str = "application/json", status: int = 200) -> Mishap:
    """Return a mishap that answers with `body`, valid JSON or not."""

    async def mishap(_request: web.Request) -> web.Response:
        data = body.encode() if isinstance(body, str) else body
        return web.Response(body=data, content_type=content_type, status=status)

    return mishap


def slow(seconds: float) -> Mishap:
    async def mishap(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.json_response(completion("late", await _asked(request)))

    return mishap


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def drop_halfway(request: web.Request) -> web.StreamResponse:
    """Announce a body and close the connection in the middle of it."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.abort()
    return response


async def never_end(request: web.Request) -> web.StreamResponse:
    """Send a body that starts correctly and continues until the client closes the connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "')
    while True:
        await response.write(b"and " * 256)
        await asyncio.sleep(DRIP)


async def truncate(request: web.Request) -> web.StreamResponse:
    whole = json.dumps(completion("cut in the middle", await _asked(request))).encode()
    return web.Response(body=whole[: len(whole) // 2], content_type="application/json")


async def answer_as_another(_request: web.Request) -> web.StreamResponse:
    return web.json_response(completion("hello from another", OTHER_MODEL))


async def say_nothing(request: web.Request) -> web.StreamResponse:
    return web.json_response(completion("", await _asked(request)))


async def answer_twice(request: web.Request) -> web.StreamResponse:
    reply = completion("one answer", await _asked(request))
    reply["choices"] += completion("another answer")["choices"]
    return web.json_response(reply)


async def say_too_much(request: web.Request) -> web.StreamResponse:
    head, tail = json.dumps(completion("HERE", await _asked(request))).encode().split(b"HERE")
    return web.Response(body=head + b"x" * HUGE + tail, content_type="application/json")


async def _asked(request: web.Request) -> str:
    return str((await request.json())["model"])


_MISHAPS: dict[Fault, Mishap] = {
    Fault.DROPPED: drop,
    Fault.RESET_MID_BODY: drop_halfway,
    Fault.TOO_MANY_REQUESTS: status(429, "too many requests", {"Retry-After": str(RETRY_AFTER)}),
    Fault.SERVER_ERROR: status(500, "EngineCore encountered an issue"),
    Fault.SLOW_HEADERS: slow(SLOW),
    Fault.NEVER_ENDING_BODY: never_end,
    Fault.TRUNCATED_JSON: truncate,
    Fault.INVALID_JSON: raw("<html><body>502 Bad Gateway</body></html>"),
    Fault.WRONG_MODEL: answer_as_another,
    Fault.EMPTY_CONTENT: say_nothing,
    Fault.DUPLICATE_CHOICES: answer_twice,
    Fault.HUGE_BODY: say_too_much,
    Fault.GARBAGE_UTF8: raw(
        b'{"model": "\xc3\x28", "choices": [{"index": 0, "message": {"content": "\xff\xfe\xfa"}}]}'
    ),
}
