"""A server with the OpenAI chat API that is not vLLM: it obeys, refuses and answers as a test says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web

from tests.support.replies import completion

Speaks = Callable[[str, str], str]
"""What a model says to a prompt: model, prompt -> text."""
Refusal = tuple[Callable[[dict[str, Any]], object], str]
"""Which bodies are refused with 400, and in which words."""


def constrained(body: dict[str, Any]) -> tuple[str, list[str]] | None:
    """Return which constraint a body has, and its choices."""
    given = body.get("response_format") or {}
    schema = (given.get("json_schema") or {}).get("schema") or {}
    if "structured_outputs" in body:
        return "structured_outputs", body["structured_outputs"]["choice"]
    if "guided_choice" in body:
        return "guided_choice", body["guided_choice"]
    if "regex" in body or given.get("type") == "regex":
        pattern = body.get("regex") or given["value"]
        choices = [re.sub(r"\\(.)", r"\1", each) for each in pattern[1:-1].split("|")]
        return "regex" if "regex" in body else "tgi_regex", choices
    if "grammar" in body:
        return "grammar", [json.loads(each) for each in re.findall(r'"(?:[^"\\]|\\.)*"', body["grammar"])]
    if "enum" in schema:
        return "enum", schema["enum"]
    return ("response_format", schema["properties"]["choice"]["enum"]) if schema else None


class OddServer:
    """`async with OddServer(models, speaks) as server: ... server.url`.

    Args:
        models: The rows of its list, as names or in full.
        speaks: What it says as a model.
        obeys: The names of the constraints that it obeys; it accepts and ignores the others.
        refuses: What it refuses.
        knows: The names that it answers; None for any.
        replies_as: The model that its replies name, by the one asked for.
        delay: The seconds before an answer. `rounds` counts how often a call came while none was in flight.
        refusal: The status of what it refuses.
        beside: What the base `base` says while another model is asked; None for the same as alone.
    """

    def __init__(
        self,
        models: Iterable[str | dict[str, Any]],
        speaks: Speaks = lambda model, _prompt: f"I am {model}",
        *,
        obeys: Iterable[str] = (),
        refuses: Sequence[Refusal] = (),
        knows: Iterable[str] | None = None,
        replies_as: Callable[[str], str] = str,
        owned_by: str = "someone",
        delay: float = 0.0,
        beside: str | None = None,
        logprobs: Callable[[str], float] | None = None,
        tools: bool = False,
        refusal: int = 400,
    ) -> None:
        self.models = [each if isinstance(each, dict) else {"id": each, "owned_by": owned_by} for each in models]
        self.speaks, self.obeys, self.refuses = speaks, set(obeys), refuses
        self.knows = None if knows is None else set(knows)
        self.replies_as, self.delay, self.beside, self.logprobs = replies_as, delay, beside, logprobs
        self.tools, self.refusal = tools, refusal
        self.bodies: list[dict[str, Any]] = []
        self.in_flight: list[str] = []
        self.rounds = 0
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> OddServer:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": self.models})

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.rounds += not self.in_flight
        self.in_flight.append(body["model"])
        others = set(self.in_flight) - {"base", "society-no-such-model"}
        try:
            await asyncio.sleep(self.delay)
            return self._answer(body, beside=bool(others))
        finally:
            self.in_flight.remove(body["model"])

    def _answer(self, body: dict[str, Any], beside: bool) -> web.Response:
        model = body["model"]
        for refused, words in self.refuses:
            if refused(body):
                return web.json_response({"error": {"message": words}}, status=self.refusal)
        if self.knows is not None and model not in self.knows:
            return web.json_response({"error": {"message": f"model '{model}' not found"}}, status=404)
        if body.get("tool_choice") == "required" and self.tools:
            call = {"name": "create_post", "arguments": '{"content": "hi"}'}
            calls = [{"id": "1", "type": "function", "function": call}]
            return web.json_response(completion(None, self.replies_as(model), tool_calls=calls))
        mixed = self.beside is not None and beside and model == "base"
        text = str(self.beside) if mixed else self._text(body)
        reply = completion(text, self.replies_as(model))
        if body.get("logprobs") and self.logprobs:
            rows = [{"token": word, "logprob": self.logprobs(model)} for word in text.split()]
            reply["choices"][0]["logprobs"] = {"content": rows}
        return web.json_response(reply)

    def _text(self, body: dict[str, Any]) -> str:
        given = constrained(body)
        if given and given[0] in self.obeys:
            choice = given[1][0]
            return {"response_format": json.dumps({"choice": choice}), "enum": json.dumps(choice)}.get(given[0], choice)
        return self.speaks(body["model"], body["messages"][-1]["content"])
