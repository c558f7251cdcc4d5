"""`VLLMClient`, through which every text is generated: tiers in order, moves, retries, fallbacks, records, provenance.

A call goes to the first tier that may answer it. At a server tier, a failed attempt moves to another server at once;
when every server was tried, it is retried with back-off; then the call falls back to the next tier. A fallback is
logged once as a warning and recorded in the reply's provenance. A server that goes down during a run is checked in the
background and used again when it is back. A server that was never up is not, so the tier of a run does not change by
surprise. An adapter that no server knows is an error; the base model never answers in its place.
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
from agents.inference.servers.proof import EndpointProbe, NeededModel
from agents.inference.servers.slots import Slots
from agents.inference.tiers import SERVER_TIERS, LazyBackend, backends
from agents.inference.weights import WeightsRecord, record_name, record_weights, weights_identity

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("society.inference")
Result = TypeVar("Result")

DEFAULT_URL = "http://localhost:8001/v1"


class VLLMClient:
    """Generates texts. All agents of a society may share one. Use `async with`, or call `aclose()` at the end.

    Args:
        url: The server's URL; it ends in `/v1`.
        model_name: The served name that `ask` and `camel_model` use.
        endpoints: The servers, in place of `url`.
        base_model: The base model that `ask` and `SocietyBackend` use.
        settings: Tiers, time-outs, retries and balancing; the defaults if None.
        on_call: Receives a record of every attempt.
        on_request: Receives every request that has no recorded reply, before its first attempt.
        recording: The replies of a run that is resumed or replayed. They are returned without a call and without a
            record; calls outside of episodes are always made.
        cache: Replies of earlier calls. They are returned with a record whose status is `cached`. The caller closes it.
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
        self._backends = backends(self.settings, Slots(self._registry))
        self._lazy = {tier: each for tier, each in self._backends.items() if isinstance(each, LazyBackend)}
        self._served = [backend for tier, backend in self._backends.items() if tier in SERVER_TIERS]
        self._attempts = {
            tier: Attempts(tier, backend, self._registry, self._record) for tier, backend in self._backends.items()
        }
        self._absent: dict[Tier, str] = {}
        self._probed: bool | None = None
        self._camel_model: Any = None
        self._fallbacks = FallbackLog()
        self._returns = 0
        self._warned: set[str] = set()
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
        """Run a coroutine of this client from synchronous code, in a background event loop that keeps its connections.

        Returns:
            The coroutine's result; an error that it raises is raised here.
        """
        return self._portal.run(work)

    # -- detection ----------------------------------------------------------------------------------------

    @property
    def connection_available(self) -> bool:
        """Return whether a server answered the last time; if none was asked yet, each is asked once (2 s at most)."""
        if self._registry.asked:
            return self._registry.up
        if self._probed is None:
            self._probed = self._registry.any_answers()
        return self._probed

    @property
    def camel_model(self) -> Any:
        """Return CAMEL's own vLLM model for (url, model_name), for direct use; None if CAMEL cannot be imported.

        Creating it contacts nothing and starts no server. Its replies have no provenance.
        """
        if self._camel_model is None:
            try:
                from agents.inference.servers.camel import vllm_model
            except ImportError as error:
                self.warn_once(f"there is no camel_model: CAMEL cannot be imported ({error}); run `make install`")
                return None
            key = self._registry.endpoints[0].api_key()
            self._camel_model = vllm_model(self.url, self.model_name, self.settings.timeout, self.settings.retries, key)
        return self._camel_model

    async def detect(self) -> tuple[Detection, ...]:
        """Ask every allowed tier what it has. Both server tiers share one ask of the servers. Never raises."""
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
        """Add the server at `url` for calls to `adapter` that are pinned to it, unless it is known already."""
        self._registry.pin(url, adapter)

    def check_adapters(self, adapters: Sequence[str]) -> None:
        """Check that a server has each of `adapters`, if detection found servers.

        Raises:
            UnknownAdapterError: No server has one of them.
        """
        missing = self._registry.missing(adapters) if self._served else ()
        if missing:
            raise self._registry.why_none(*missing)

    async def probe(
        self, needed: Sequence[NeededModel], *, tools: bool = False, thorough: bool = False
    ) -> tuple[EndpointProbe, ...]:
        """Ask each server that is up how it must be asked, and for proof that it serves the `needed` models.

        Its calls follow what was found from then on. Call `detect` first.

        Args:
            needed: The models that will be asked for.
            tools: Whether tool calls will be needed.
            thorough: Whether each model is asked for a constrained choice, and not only the first.
        """
        return await self._registry.probe(needed, tools=tools, thorough=thorough) if self._served else ()

    def adopt(self, probes: Sequence[EndpointProbe]) -> None:
        """Ask servers as another client's probing found that they must be asked."""
        self._registry.adopt(probes)

    async def prepare(self, adapters: Sequence[str], progress: Progress) -> None:
        """Load the tiers that will answer first for `adapters`, so that no call's latency includes it.

        A tier that cannot be loaded is reported through `progress`; the first call falls back from it.
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
                if tier in self._lazy:
                    await self._lazy[tier].load()
                self._check(tier, request)
            except (PassedOverError, TransientError):
                continue
            return tier
        return None

    def _watch_servers(self) -> None:
        """Before a call: watch the servers' health, and log that one came back."""
        self._health.begin()
        if self._returns != self._registry.returns:
            self._returns = self._registry.returns
            self._fallbacks.returned(SERVER_TIERS, self._registry.detail)

    # -- generating -------------------------------------------------------------------------------------

    async def generate(self, request: Request) -> Reply:
        """Return the reply to a request from the first tier that gives one.

        Raises:
            UnknownAdapterError: The tier that was asked does not have the adapter.
            FloorReachedError: Every allowed tier failed.
        """
        recorded = self._recording.find(request)
        if recorded is not None:
            return recorded
        self._on_request(request)
        cached = await self._from_cache(request) if self._cache is not None else None
        if cached is not None:
            return cached
        if self._served:
            if not self._registry.asked:
                await asyncio.gather(*(backend.detect() for backend in self._served))
            self._watch_servers()
        deadline = time.monotonic() + self.settings.deadline
        failed_tiers: list[FailedTier] = []
        for tier in self._backends:
            reply = await self._try(tier, request, failed_tiers, deadline)
            if reply is not None:
                if self._cache is not None:
                    await self._cache.store(request, reply, self._weights_of(request))
                return reply
        errors = [failed.error for failed in failed_tiers]
        raise FloorReachedError(self._floor, causes(failed_tiers) or "no tier is allowed", errors)

    async def _from_cache(self, request: Request) -> Reply | None:
        assert self._cache is not None
        reply = await self._cache.find(request, self._weights_of(request))
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
        """Ask a model a question outside of any run, for example from a notebook.

        Args:
            prompt: The question.
            system: The system prompt.
            choices: The texts that the reply must be one of.
            adapter: The adapter's served name; `model_name` by default.
            seed: Makes sampling repeatable where the tier can.
            temperature: 0 to 2; 0 is greedy.
            top_p: The probability mass that is sampled from, above 0 and at most 1.
            max_tokens: The longest reply, in tokens.

        Raises:
            InvalidRequestError: A value is out of its range.
            InferenceError: As `generate`.
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
        """Return a new key for a call outside of every episode."""
        return CallKey(OUTSIDE_EPISODES, next(self._serial), model_id, purpose)

    def warn_once(self, message: str) -> None:
        """Log a warning, unless the same was logged before."""
        if message not in self._warned:
            self._warned.add(message)
            logger.warning("%s", message)

    @property
    def _floor(self) -> Tier:
        tiers = self.settings.allowed or self.settings.tiers
        return self.settings.require or tiers[-1]

    async def _try(self, tier: Tier, request: Request, failed_tiers: list[FailedTier], deadline: float) -> Reply | None:
        """Return the reply of one tier; without one, add it to `failed_tiers` and return None."""
        try:
            if tier in self._lazy:
                await self._lazy[tier].load()
            self._check(tier, request)
            if failed_tiers:
                self._fallbacks.fell_back(failed_tiers, tier)
            return await self._attempts[tier].reply(request, [failed.tier for failed in failed_tiers], deadline)
        except (PassedOverError, TransientError, PermanentError) as error:
            failed_tiers.append(FailedTier(tier, error))
            return None

    def _check(self, tier: Tier, request: Request) -> None:
        """Raise ServerLostError or PassedOverError if the tier cannot answer this request."""
        reason = self._absent.get(tier) or self._backends[tier].refuses(request)
        if reason and tier in SERVER_TIERS and not self._registry.up:
            raise ServerLostError(reason)
        if reason:
            raise PassedOverError(reason)

    def _record(self, record: CallRecord) -> None:
        log_call(record)
        self._on_call(record)


def _ignore(*_event: object) -> None:
    """The callback of a client that was given none."""
