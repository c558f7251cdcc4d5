"""A scripted vLLM server for tests: it serves the API over a real socket and has faults on command.

It has no model. A reply names the requested adapter, so a test sees who answered. For a `structured_outputs` choice it
answers with the first entry. Tokens are words and punctuation marks, counted and cached per adapter like in vLLM.

As a separate process, outside the client's event loop (`scripted_process` starts one):

    python -m tests.support.scripted_vllm --port 8001 --adapter a --adapter b --delay 0.05

The first line printed is the URL. `POST /script {"fault": "server_error", "seconds": 2}` (or "calls") causes a fault.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from enum import Enum
from typing import Any

from aiohttp import web

from tests.support.faults import Fault, Mishap, mishap_of
from tests.support.prefix_cache import PrefixCache
from tests.support.probes import is_probe, probe_reply
from tests.support.replies import (
    choice_logprobs,
    completion,
    error,
    lora_rank,
    message_tokens,
    rank_too_large,
    token_rows,
    too_long,
    too_many_logprobs,
    tool_call,
    unknown_model,
)

VERSION = "0.32.0"
Scores = Callable[[str | None, Sequence[int]], Sequence[float]]


class Route(str, Enum):
    """The routes that can have a fault."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    MODELS = "/v1/models"
    HEALTH = "/health"
    VERSION = "/version"


class ScriptedVLLM:
    """`async with ScriptedVLLM(adapters=("a", "b")) as server: ... server.url`.

    Each chat call uses the next one of `mishaps` (`script` adds faults there); without one the call succeeds. `faulty`
    and `break_for` break every call for a time. `bodies` has the chat calls received, `asked_models` counts calls of
    `/models`. The questions by which a client probes it before a run are in `probes`: they are answered at once, use
    up no mishap, and are in no count. `delay` is the seconds before an answer, `slots` how many calls run at the same
    time (None: all), `max_model_len` the largest number of tokens of prompt and reply. `odds` has the probability of
    each choice, for calls that ask for log probabilities; more of them than `max_logprobs` are refused. With `api_key`
    every /v1 call needs it. `refusals` has the status and message that an adapter's calls get, `answers` the body,
    with status 200. At most `most_adapters` run at a time (None: all), as with --max-loras. Without `runtime_lora`
    there are no routes to load adapters, as in vLLM. `scores` takes the folder of an adapter (None: the base) and
    tokens, and gives the log-probability of every token but the first. `loads` has the names it was asked to load;
    `folder_of` says what answers under a name, and a cheat overrides it.
    """

    def __init__(
        self,
        adapters: Iterable[str] = ("cooperator", "defector"),
        base: str = "base",
        *,
        port: int = 0,
        delay: float = 0.0,
        slots: int | None = None,
        api_key: str | None = None,
        max_model_len: int = 2048,
        max_lora_rank: int = 16,
        runtime_lora: bool = True,
        says: str = "hello from {model}",
        scores: Scores | None = None,
        max_logprobs: int = 20,
    ) -> None:
        self.max_logprobs = max_logprobs
        self.odds: dict[str, float] = {}
        self.refusals: dict[str, tuple[int, str]] = {}
        self.most_adapters: int | None = None
        self._active: Counter[str] = Counter()
        self._freed = asyncio.Condition()
        self.models_refusal: tuple[int, str] | None = None
        self.answers: dict[str, dict[str, Any]] = {}
        self.scores = scores
        self.says = says
        self.adapters = list(adapters)
        self.roots: dict[str, str] = {}
        self.loads: list[str] = []
        self.base = base
        self.delay = delay
        self.api_key = api_key
        self.max_model_len = max_model_len
        self.max_lora_rank = max_lora_rank
        self.runtime_lora = runtime_lora
        self.calls_tools = False
        self.prefix_cache = PrefixCache()
        self.bodies: list[dict[str, Any]] = []
        self.probes: list[dict[str, Any]] = []
        self.asked_models = 0
        self.models_status = 200
        self.in_flight = 0
        self.most_in_flight = 0
        self._scripts: dict[Route, deque[Mishap]] = {route: deque() for route in Route}
        self._standing: dict[Route, Mishap] = {}
        self._breaks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(slots) if slots else None
        self._runner: web.AppRunner | None = None
        self._port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    # -- starting and stopping --------------------------------------------------------------------------

    async def __aenter__(self) -> ScriptedVLLM:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._breaks:
            task.cancel()
        await asyncio.gather(*self._breaks, return_exceptions=True)
        await self.stop()

    async def start(self) -> None:
        """Listen on a free port; after a stop, listen on the same port again."""
        app = web.Application(middlewares=[self._check_key])
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/script", self._take_script)
        if self.runtime_lora:
            app.router.add_post("/v1/load_lora_adapter", self._load)
            app.router.add_post("/v1/unload_lora_adapter", self._unload)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening: new connections are refused, open ones break, the cache is lost."""
        self.prefix_cache.forget()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # -- misbehaving ------------------------------------------------------------------------------------

    @property
    def mishaps(self) -> deque[Mishap]:
        return self._scripts[Route.CHAT]

    def script(self, *faults: Fault, route: Route = Route.CHAT) -> None:
        """Give the next calls of `route` these faults, one each."""
        self._scripts[route].extend(mishap_of(fault) for fault in faults)

    @asynccontextmanager
    async def faulty(self, fault: Fault, route: Route = Route.CHAT) -> AsyncIterator[None]:
        """Give every call of `route` this fault until the block ends; REFUSED closes the whole server."""
        if fault is Fault.REFUSED:
            await self.stop()
            try:
                yield
            finally:
                await self.start()
            return
        self._standing[route] = mishap_of(fault)
        try:
            yield
        finally:
            self._standing.pop(route, None)

    def break_for(self, seconds: float, fault: Fault, route: Route = Route.CHAT) -> None:
        """Do the same as `faulty` in the background, for so many seconds."""

        async def hold() -> None:
            async with self.faulty(fault, route):
                await asyncio.sleep(seconds)

        task = asyncio.create_task(hold())
        self._breaks.add(task)
        task.add_done_callback(self._breaks.discard)

    def _mishap(self, route: Route) -> Mishap | None:
        queue = self._scripts[route]
        return queue.popleft() if queue else self._standing.get(route)

    async def _take_script(self, request: web.Request) -> web.Response:
        """Cause a fault from another process: {"fault": kind, "seconds": s} or {"fault": kind, "calls": n}."""
        body = await request.json()
        fault = Fault(body["fault"])
        if "seconds" in body:
            asyncio.get_running_loop().call_soon(self.break_for, float(body["seconds"]), fault)
        else:
            self.script(*[fault] * int(body.get("calls", 1)))
        return web.Response()

    # -- answering --------------------------------------------------------------------------------------

    @web.middleware
    async def _check_key(self, request: web.Request, handler: Any) -> web.StreamResponse:
        header = request.headers.get("Authorization")
        if self.api_key and request.path.startswith("/v1") and header != f"Bearer {self.api_key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            return web.json_response({"detail": "Not Found"}, status=404)
        return answer

    async def _health(self, request: web.Request) -> web.StreamResponse:
        mishap = self._mishap(Route.HEALTH)
        return await mishap(request) if mishap else web.Response()

    async def _version(self, request: web.Request) -> web.StreamResponse:
        mishap = self._mishap(Route.VERSION)
        return await mishap(request) if mishap else web.json_response({"version": VERSION})

    async def _metrics(self, _request: web.Request) -> web.Response:
        cache, labels = self.prefix_cache, f'{{engine="0",model_name="{self.base}"}}'
        counters = {
            "vllm:prefix_cache_queries_total": cache.queries,
            "vllm:prefix_cache_hits_total": cache.hits,
        }
        lines = [f"# TYPE {name} counter\n{name}{labels} {float(value)}" for name, value in counters.items()]
        lines.append(f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{labels} {self.in_flight}.0")
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")

    async def _models(self, request: web.Request) -> web.StreamResponse:
        self.asked_models += 1
        mishap = self._mishap(Route.MODELS)
        if mishap:
            return await mishap(request)
        if self.models_refusal:
            return error(*self.models_refusal)
        longest = self.max_model_len
        rows = [{"id": self.base, "object": "model", "root": "/models/tiny", "parent": None, "max_model_len": longest}]
        rows += [
            {"id": name, "object": "model", "root": self.roots.get(name, f"/a/{name}"), "parent": self.base}
            for name in self.adapters
        ]
        return web.json_response({"object": "list", "data": rows}, status=self.models_status)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        if is_probe(body):
            self.probes.append(body)
            known = body["model"] in [self.base, *self.adapters]
            return web.json_response(probe_reply(body)) if known else unknown_model(body["model"], self.base)
        self.bodies.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            async with self._slots or nullcontext(), self._in_batch(str(body.get("model"))):
                await asyncio.sleep(self.delay)
            mishap = self._mishap(Route.CHAT)
            return await mishap(request) if mishap else self._answer(body)
        finally:
            self.in_flight -= 1

    @asynccontextmanager
    async def _in_batch(self, adapter: str) -> AsyncIterator[None]:
        """Wait until the adapter is one of the `most_adapters` that run; calls of one that runs go first."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._fits(adapter))
            self._active[adapter] += 1
        try:
            yield
        finally:
            async with self._freed:
                self._active[adapter] -= 1
                self._active += Counter()
                self._freed.notify_all()

    def _fits(self, adapter: str) -> bool:
        return self.most_adapters is None or adapter in self._active or len(self._active) < self.most_adapters

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        mishap = self._mishap(Route.COMPLETIONS)
        if mishap:
            return await mishap(request)
        if body["model"] not in [self.base, *self.adapters]:
            return unknown_model(body["model"], self.base)
        choices = [{"text": "a"}]
        if "prompt_logprobs" in body:
            assert self.scores is not None
            folder = self.folder_of(body["model"])
            choices = [
                {"index": number, "prompt_logprobs": token_rows(tokens, self.scores(folder, tokens))}
                for number, tokens in enumerate(body["prompt"])
            ]
        return web.json_response({"object": "text_completion", "model": body["model"], "choices": choices})

    def folder_of(self, name: str) -> str | None:
        """Return the folder of the adapter that answers under a name; None is the base."""
        return self.roots.get(name)

    def _answer(self, body: dict[str, Any]) -> web.Response:
        model = body["model"]
        if model in self.refusals:
            return error(*self.refusals[model])
        if model in self.answers:
            return web.json_response(self.answers[model])
        if model not in [self.base, *self.adapters]:
            return unknown_model(model, self.base)
        prompt = [mark for message in body["messages"] for mark in message_tokens(message)]
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        if len(prompt) + (limit or 1) > self.max_model_len:
            return too_long(self.max_model_len, len(prompt), limit or 1)
        if body.get("top_logprobs", 0) > self.max_logprobs:
            return too_many_logprobs(body["top_logprobs"], self.max_logprobs)
        found = self.prefix_cache.look_up(model, prompt)
        choices = body.get("structured_outputs", {}).get("choice")
        text = choices[0] if choices else self.says.replace("{model}", model)
        called = tool_call(body) if self.calls_tools else None
        reply = completion(text, model, prompt_tokens=len(prompt), cached_tokens=found, tool_calls=called, limit=limit)
        if body.get("logprobs") and choices and self.odds:
            reply["choices"][0]["logprobs"] = choice_logprobs(text, self.odds, body["top_logprobs"])
        return web.json_response(reply)

    # -- loading and unloading of adapters --------------------------------------------------------------

    async def _load(self, request: web.Request) -> web.Response:
        body = await request.json()
        name, path = body.get("lora_name"), body.get("lora_path")
        if not name or not path:
            return error(400, "Both 'lora_name' and 'lora_path' must be provided.", "InvalidUserInput")
        if name in self.adapters:
            message = f"The lora adapter '{name}' has already been loaded. If you want to load the adapter in place, "
            return error(400, message + "set 'load_inplace' to True.", "InvalidUserInput")
        rank = lora_rank(path)
        if rank is None:
            return error(404, f"Loading lora {name} failed: No adapter found for {path}", "NotFoundError")
        if rank > self.max_lora_rank:
            return rank_too_large(rank, self.max_lora_rank)
        self.adapters.append(name)
        self.loads.append(name)
        self.roots[name] = path
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload(self, request: web.Request) -> web.Response:
        name = (await request.json()).get("lora_name")
        if name not in self.adapters:
            return error(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
        self.adapters.remove(name)
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")


if __name__ == "__main__":
    from tests.support.scripted_process import main

    main()
