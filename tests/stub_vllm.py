"""A stub of a vLLM server for tests: it speaks the API over a real socket and misbehaves on command.

It holds no model. A reply names the adapter asked, so a test sees who answered; a `structured_outputs` choice
is honoured with its first entry.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Mishap = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StubVLLM:
    """`async with StubVLLM(adapters=("a", "b")) as stub: ... stub.url`.

    `mishaps` are taken from the left, one per chat call; without one the call succeeds. `bodies` are the chat
    calls received, `asked_models` counts calls of `/models`.
    """

    def __init__(self, adapters: tuple[str, ...] = ("cooperator", "defector"), base: str = "base") -> None:
        self.adapters = list(adapters)
        self.base = base
        self.mishaps: deque[Mishap] = deque()
        self.delay = 0.0
        self.bodies: list[dict[str, Any]] = []
        self.asked_models = 0
        self.models_status = 200
        self.in_flight = 0
        self.most_in_flight = 0
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> StubVLLM:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen: on a free port the first time, on the same one after a stop."""
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening: connections are refused, open ones break."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _models(self, _request: web.Request) -> web.Response:
        self.asked_models += 1
        rows = [{"id": self.base, "object": "model", "root": "/models/tiny", "max_model_len": 2048}]
        rows += [{"id": name, "object": "model", "root": f"/a/{name}", "parent": self.base} for name in self.adapters]
        return web.json_response({"object": "list", "data": rows}, status=self.models_status)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.bodies.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
            if self.mishaps:
                return await self.mishaps.popleft()(request)
            return self._answer(body)
        finally:
            self.in_flight -= 1

    def _answer(self, body: dict[str, Any]) -> web.Response:
        if body["model"] not in [self.base, *self.adapters]:
            return unknown_model(body["model"])
        choices = body.get("structured_outputs", {}).get("choice")
        return web.json_response(completion(choices[0] if choices else f"hello from {body['model']}"))


def completion(content: str | None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-stub",
        "object": "chat.completion",
        "created": 1,
        "model": "stub",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15},
    }


def unknown_model(name: str) -> web.Response:
    message = f"The model `{name}` does not exist."
    return web.json_response(
        {"error": {"message": message, "type": "NotFoundError", "param": "model", "code": 404}}, status=404
    )


# -- mishaps ------------------------------------------------------------------------------------------------


def status(code: int, message: str = "as told", headers: dict[str, str] | None = None) -> Mishap:
    async def mishap(_request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": message, "code": code}}, status=code, headers=headers)

    return mishap


def raw(text: str, content_type: str = "application/json") -> Mishap:
    """An answer 200 whose body is `text`, whatever that is."""

    async def mishap(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type=content_type)

    return mishap


def slow(seconds: float) -> Mishap:
    async def mishap(_request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.json_response(completion("late"))

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
