"""`VLLMClient`, the only door to inference: tiers tried in order, moves, retries, falls, records and provenance.

A call goes to the first tier that may answer it. At a server tier an attempt that fails moves to another server at
once; when every server was tried, it is retried with back-off; then the call falls one tier, which is logged loudly
once and marked in the reply. A server that went away in mid-run is looked for in the background and used again; one
that was never there is not, so a run does not change hands unasked. An adapter that servers do not know is an error,
never a base model's answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain, count
from typing import TYPE_CHECKING, Any, TypeVar

from agents.inference.attempts import Attempts
from agents.inference.backend import Detection, EndpointSettings, InferenceSettings, Progress
from agents.inference.errors import FloorReachedError, PermanentError, ServerLostError, TransientError
from agents.inference.fallback import FailedTier, FallbackLog, PassedOverError, causes
from agents.inference.portal import Portal
from agents.inference.provenance import (
    CallKey,
    CallRecord,
    ChatMessage,
    Purpose,
    Reply,
    Request,
    Sampling,
    Tier,
)
from agents.inference.recording import OUTSIDE_EPISODES, Recording, ReplyCache
from agents.inference.records import OnCall, cached_record, log_call
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.health import HealthWatch
from agents.inference.servers.slots import Slots
from agents.inference.tiers import SERVER_TIERS, LazyBackend, backends
from agents.inference.weights import WeightsRecord, record_name, record_weights, weights_identity

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("society.inference")
Result = TypeVar("Result")

DEFAULT_URL = "http://localhost:8001/v1"


class VLLMClient:
    """Generates texts. Safe to share between all agents of a society; `async with` or `aclose()` when done.

    `endpoints`, when given, are the servers asked in place of `url`. `model_name` and `base_model` are what
    `ask` and `camel_model` use. `on_request` is called with every request that has no recorded reply, before its first
    attempt; `on_call` receives a record of every attempt. Replies in `recording` (of a run that is resumed or replayed)
    are returned as they are, without a call and without a record; calls outside of episodes are always made. Replies in
    `cache` are returned with a record that says so; closing it stays with the caller.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        model_name: str = "qwen-2",
        *,
        endpoints: Sequence[str | EndpointSettings] = (),
        base_model: str | None = None,
        settings: InferenceSettings | None = None,
        on_call: OnCall | None = None,
        on_request: Callable[[Request], None] | None = None,
        recording: Recording | None = None,
        cache: ReplyCache | None = None,
    ) -> None:
        self.model_name = model_name
        self.base_model = base_model
        self.settings = settings or InferenceSettings()
        self._on_call = on_call or _ignore
        self._on_request = on_request or _ignore
        self._recording = recording or Recording()
        self._cache = cache
        self._weights: dict[str, str] = {}
        self._registry = EndpointRegistry(tuple(endpoints) or (url,), self.settings)
        self.url = self._registry.endpoints[0].url
        self._health = HealthWatch(self._registry, self.settings.health_interval)
        self._backends = backends(self.settings.allowed, Slots(self._registry))
        self._served = [backend for tier, backend in self._backends.items() if tier in SERVER_TIERS]
        self._attempts = {
            tier: Attempts(tier, backend, self._registry, self._record) for tier, backend in self._backends.items()
        }
        self._absent: dict[Tier, str] = {}
        self._probed: bool | None = None
        self._camel_model: Any = None
        self._falls = FallbackLog()
        self._returns = 0
        self._said: set[str] = set()
        self._serial = count()
        self._portal = Portal()

    async def __aenter__(self) -> VLLMClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every tier; a later call opens it again."""
        await self._portal.aclose(self._disconnect)
        await self._health.end()
        for backend in self._backends.values():
            await backend.aclose()

    async def _disconnect(self) -> None:
        """Close the running event loop's connections to servers; the next call opens new ones."""
        await self._health.end()
        for backend in self._served:
            await backend.aclose()

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine of this client's from synchronous code, in a background loop that keeps its connections.

        Gives what it gives and raises what it raises.
        """
        return self._portal.run(work)

    # -- what is there ----------------------------------------------------------------------------------

    @property
    def connection_available(self) -> bool:
        """Whether a server answered when last asked; if none was, each is asked once (2 s at most)."""
        if self._registry.asked:
            return self._registry.up
        if self._probed is None:
            self._probed = self._registry.probe()
        return self._probed

    @property
    def camel_model(self) -> Any:
        """CAMEL's own vLLM model for (url, model_name), for direct use; None where CAMEL cannot be imported.

        Making it contacts nothing and starts no server. Its replies carry no provenance.
        """
        if self._camel_model is None:
            try:
                from agents.inference.servers.camel import vllm_model
            except ImportError as error:
                self.say_once(f"there is no camel_model: CAMEL cannot be imported ({error}); run `make install`")
                return None
            key = self._registry.endpoints[0].api_key()
            self._camel_model = vllm_model(self.url, self.model_name, self.settings.timeout, self.settings.retries, key)
        return self._camel_model

    async def detect(self) -> tuple[Detection, ...]:
        """Ask every allowed tier what it has; servers are asked once for both server tiers. Never raises."""
        found = await asyncio.gather(*(backend.detect() for backend in self._backends.values()))
        self._absent = {
            tier: "; ".join(detection.detail for detection in detections)
            for tier, detections in zip(self._backends, found, strict=True)
            if tier not in SERVER_TIERS and not any(detection.available for detection in detections)
        }
        return tuple(chain.from_iterable(found))

    def record_weights(self, adapters: Sequence[tuple[str, str | None]]) -> WeightsRecord:
        """Return what is known of the weights behind each adapter; the reply cache is asked by it from then on.

        Args:
            adapters: Served names, each with its local folder or None. Call `detect` first.
        """
        embedded, endpoints = Tier.EMBEDDED in self._backends, self._registry.endpoints if self._served else ()
        record = record_weights(adapters, embedded=embedded, endpoints=endpoints)
        self._weights.update({name: weights_identity(each) for name, each in record.items()})
        return record

    async def server_versions(self) -> dict[str, str]:
        """Return the vLLM version of each server that answers and says it, by URL."""
        return await self._registry.versions() if self._served else {}

    def pin(self, url: str, adapter: str) -> None:
        """Have a server that answers for `adapter`; calls that do not pin it go there only if it was one already."""
        self._registry.pin(url, adapter)

    def check_adapters(self, adapters: Sequence[str]) -> None:
        """Raises UnknownAdapterError where detection found servers and none of them has one of `adapters`."""
        missing = self._registry.missing(adapters) if self._served else ()
        if missing:
            raise self._registry.why_none("', '".join(missing))

    async def prepare(self, adapters: Sequence[str], progress: Progress) -> None:
        """Load ahead what will answer first for `adapters`, so that no call's latency includes it.

        What cannot be loaded is left to the first call, which falls.
        """
        for tier in dict.fromkeys([await self._first_tier(adapter) for adapter in adapters]):
            if tier is not None:
                try:
                    await self._backends[tier].prepare(progress)
                except PermanentError as error:
                    progress(str(error))

    async def _first_tier(self, adapter: str) -> Tier | None:
        request = Request(self.next_key(adapter), adapter, (), base_model=self.base_model)
        for tier in self._backends:
            try:
                await self._load(tier)
                self._check(tier, request)
            except (PassedOverError, TransientError):
                continue
            return tier
        return None

    async def _look(self) -> None:
        """Before a call: the first ask of the servers, and word of one that came back."""
        if not self._served:
            return
        if not self._registry.asked:
            await asyncio.gather(*(backend.detect() for backend in self._served))
        self._health.begin()
        if self._returns != self._registry.returns:
            self._returns = self._registry.returns
            self._falls.returned(SERVER_TIERS, self._registry.detail)

    # -- generating -------------------------------------------------------------------------------------

    async def generate(self, request: Request) -> Reply:
        """The reply to `request` from the best tier that gives one.

        Raises UnknownAdapterError where the tier asked does not have the adapter, FloorReachedError where
        every allowed tier failed.
        """
        recorded = self._recording.find(request)
        if recorded is not None:
            return recorded
        self._on_request(request)
        cached = self._from_cache(request)
        if cached is not None:
            return cached
        await self._look()
        deadline = time.monotonic() + self.settings.deadline
        failed_tiers: list[FailedTier] = []
        for tier in self._backends:
            reply = await self._try(tier, request, failed_tiers, deadline)
            if reply is not None:
                if self._cache is not None:
                    self._cache.put(request, reply, self._weights_of(request))
                return reply
        raise FloorReachedError(self._floor, causes(failed_tiers) or "no tier is allowed")

    def _from_cache(self, request: Request) -> Reply | None:
        reply = self._cache.get(request, self._weights_of(request)) if self._cache is not None else None
        if reply is None or reply.provenance.tier not in self._backends:
            return None
        self._record(cached_record(request, reply))
        return reply

    def _weights_of(self, request: Request) -> str:
        return self._weights.get(record_name(request.adapter, request.adapter_path), "")

    async def ask(
        self,
        prompt: str,
        *,
        system: str = "",
        choices: Sequence[str] | None = None,
        adapter: str | None = None,
        seed: int | None = None,
        temperature: float = 0.7,
        top_p: float = 1.0,
        max_tokens: int = 64,
    ) -> Reply:
        """Ask `adapter` (by default `model_name`) a question outside of any run, as from a notebook.

        With `choices` the reply is one of them. `temperature` 0 is greedy, `max_tokens` bounds the reply. Raises as
        `generate`.
        """
        messages = (ChatMessage("system", system),) if system else ()
        request = Request(
            key=self.next_key("ask", Purpose.DECIDE if choices else Purpose.TALK),
            adapter=adapter or self.model_name,
            messages=(*messages, ChatMessage("user", prompt)),
            base_model=self.base_model,
            choices=tuple(choices) if choices else None,
            sampling=Sampling(temperature, top_p, max_tokens),
            seed=seed,
        )
        return await self.generate(request)

    def next_key(self, model_id: str, purpose: Purpose = Purpose.TALK) -> CallKey:
        """A fresh key for a call outside of every episode."""
        return CallKey(OUTSIDE_EPISODES, next(self._serial), model_id, purpose)

    def say_once(self, message: str) -> None:
        """Log a warning the first time it comes up."""
        if message not in self._said:
            self._said.add(message)
            logger.warning("%s", message)

    @property
    def _floor(self) -> Tier:
        tiers = self.settings.allowed or self.settings.tiers
        return self.settings.require or tiers[-1]

    async def _try(self, tier: Tier, request: Request, failed_tiers: list[FailedTier], deadline: float) -> Reply | None:
        """The reply of one tier; None, and one more miss, where it has none."""
        try:
            await self._load(tier)
            self._check(tier, request)
            if failed_tiers:
                self._falls.fell(failed_tiers, tier)
            return await self._attempts[tier].reply(request, [miss.tier for miss in failed_tiers], deadline)
        except (PassedOverError, TransientError, PermanentError) as error:
            failed_tiers.append(FailedTier(tier, error))
            return None

    async def _load(self, tier: Tier) -> None:
        """Import what the tier needs, where that is left to the first call."""
        backend = self._backends[tier]
        if isinstance(backend, LazyBackend):
            await backend.load()

    def _check(self, tier: Tier, request: Request) -> None:
        """Raises ServerLostError or PassedOverError where the tier cannot answer this request."""
        reason = self._absent.get(tier) or self._backends[tier].refuses(request)
        if reason and tier in SERVER_TIERS and not self._registry.up:
            raise ServerLostError(reason)
        if reason:
            raise PassedOverError(reason)

    def _record(self, record: CallRecord) -> None:
        log_call(record)
        self._on_call(record)


def _ignore(*_event: object) -> None:
    """Where nobody listens."""
