"""A server whose replies a test writes: `reply` takes the request's body and returns an entry of `choices`.

Probes of the server (requests without a task in their prompt) are answered as a sound vLLM does, and are not counted.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from aiohttp import web

Reply = Callable[[dict[str, Any]], dict[str, Any]]
BASE = "base"


class SpeakingServer:
    """What `speaking_server` yields: the URL, and the bodies of the chat calls so far."""

    def __init__(self, reply: Reply, adapters: Sequence[str], usage: dict[str, Any]) -> None:
        self.reply, self.adapters, self.usage = reply, adapters, usage
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def models(self, _request: web.Request) -> web.Response:
        rows = [{"id": BASE, "parent": None}, *({"id": name, "parent": BASE} for name in self.adapters)]
        return web.json_response({"object": "list", "data": rows})

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["model"] not in (BASE, *self.adapters):
            return web.json_response({"error": {"message": f"The model `{body['model']}` does not exist."}}, status=404)
        probe = not any("Task " in str(message["content"]) for message in body["messages"])
        if not probe:
            self.bodies.append(body)
        said = (
            {"message": {"content": (options_of(body) or [f"I am {body['model']}"])[-1]}} if probe else self.reply(body)
        )
        choice = {"index": 0, "finish_reason": "stop", "logprobs": None} | said
        choice["message"] = {"role": "assistant", **choice["message"]}
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13} | self.usage
        whole = {"id": "1", "object": "chat.completion", "created": 1, "model": body["model"], "usage": usage}
        return web.json_response({**whole, "choices": [choice]})


def said(content: object, **message: Any) -> dict[str, Any]:
    """Return an entry of `choices` with this content."""
    return {"message": {"content": content, **message}}


def options_of(body: dict[str, Any]) -> list[str]:
    """Return the options that a request constrains its reply to; empty without."""
    return list((body.get("structured_outputs") or {}).get("choice") or ())


@contextmanager
def speaking_server(
    reply: Reply, *, adapters: Sequence[str] = ("a", "b"), usage: dict[str, Any] | None = None
) -> Iterator[SpeakingServer]:
    """Let a server answer in a thread of its own until the block ends."""
    server = SpeakingServer(reply, adapters, usage or {})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/v1/models", server.models)
        app.router.add_post("/v1/chat/completions", server.chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
