"""The servers a client may ask: which of them answer, what each one serves, and why none can take a call.

`agents.inference.servers.slots` decides which of them takes the next call. `agents.inference.servers.health` looks at
them in the background.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING

from agents.inference.backend import Detection, EndpointSettings, InferenceSettings
from agents.inference.errors import InferenceError, LoadingError, PermanentError, ServerLostError, UnknownAdapterError
from agents.inference.provenance import Request, Tier
from agents.inference.servers.breaker import Breaker
from agents.inference.servers.chat import ChatCalls
from agents.inference.servers.dialects import kind_of
from agents.inference.servers.discovery import answers, ask_version, is_healthy, list_models, open_session
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.limits import SLOW_SHARE, AdaptiveLimit
from agents.inference.servers.loading import when_loaded
from agents.inference.servers.probing import Probing, by_endpoint, probe_endpoint
from agents.inference.servers.proof import EndpointProbe, NeededModel
from agents.inference.servers.proxies import proxy_hint
from agents.inference.servers.restore import restored

if TYPE_CHECKING:
    import aiohttp

_UP, _ASKED, _REFUSED = attrgetter("up"), attrgetter("asked"), attrgetter("refused")


class EndpointRegistry:
    """The endpoints that the server tiers of one client share.

    `lock` guards what is known of the endpoints, over event loops and threads. `on_change` is called after an ask or a
    check, when servers may have come up or gone down. `returns` counts the servers that came back after an outage.

    Args:
        endpoints: The servers, as URLs or spelt out; a URL given twice is one server.
        settings: The client's settings.
    """

    def __init__(self, endpoints: Sequence[str | EndpointSettings], settings: InferenceSettings) -> None:
        given = (each if isinstance(each, EndpointSettings) else EndpointSettings(each) for each in endpoints)
        self.endpoints = tuple({each.url: each for each in (_endpoint(each, settings) for each in given)}.values())
        self.settings = settings
        self.returns = 0
        self.lock = RLock()
        self.on_change: Callable[[], None] = _ignore
        self._probed: set[str] | None = None
        self._asking: asyncio.Task[None] | None = None

    def pin(self, url: str, adapter: str) -> None:
        """Make sure that an endpoint at `url` may be asked for `adapter`."""
        with self.lock:
            known = self.find(url.rstrip("/"))
            if known is None:
                added = _endpoint(EndpointSettings(url, adapters=(adapter,), pinned_only=True), self.settings)
                self.endpoints = (*self.endpoints, added)
            elif known.settings.adapters is not None and adapter not in known.settings.adapters:
                known.settings = replace(known.settings, adapters=(*known.settings.adapters, adapter))

    def find(self, url: str) -> Endpoint | None:
        """Return the endpoint at `url`."""
        return next((endpoint for endpoint in self.endpoints if endpoint.url == url), None)

    # -- detection and health -----------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Return whether any server answered the last time it was asked."""
        return any(map(_UP, self.endpoints))

    @property
    def asked(self) -> bool:
        """Return whether every server was asked at least once."""
        return all(map(_ASKED, self.endpoints))

    @property
    def detail(self) -> str:
        """Return why no endpoint answers."""
        return "; ".join(endpoint.detail for endpoint in self.endpoints) or "no endpoint is configured"

    def detections(self, tier: Tier) -> tuple[Detection, ...]:
        """Return what the last ask found at each endpoint, as detections of `tier`."""
        return tuple(endpoint.detection(tier) for endpoint in self.endpoints)

    async def refresh(self, patience: float = 0.0) -> None:
        """Ask every endpoint what it serves, all at once. Callers at the same time share one ask.

        Args:
            patience: Seconds to wait for a server that is loading its model.
        """
        task = self._asking
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._asking = asyncio.create_task(self._ask_all(patience))
        await asyncio.shield(task)

    async def _ask_all(self, patience: float) -> None:
        async with open_session(self.settings.trust_env) as session:
            await asyncio.gather(*(self._ask(session, endpoint, patience) for endpoint in self.endpoints))
        self.on_change()

    async def _ask(self, session: aiohttp.ClientSession, endpoint: Endpoint, patience: float = 0.0) -> None:
        try:
            headers = await endpoint.headers_found()
            models = await when_loaded(partial(list_models, session, endpoint.url, headers), patience)
            if endpoint.asked and not endpoint.up:
                models = await restored(session, endpoint.url, headers, endpoint.models, models)
        except (ServerLostError, PermanentError) as error:
            self._unanswered(endpoint, error)
        else:
            with self.lock:
                if self._probed is not None and endpoint.url not in self._probed:
                    endpoint.down(f"{endpoint.url} answers only since after the run began, and was not probed")
                    return
                self.returns += endpoint.asked and not endpoint.up
                endpoint.answered(models)

    async def check(self, endpoints: Iterable[Endpoint]) -> None:
        """Check the health of `endpoints`, which answered before; mark each one up or down accordingly."""
        async with open_session(self.settings.trust_env) as session:
            await asyncio.gather(*(self._check(endpoint, session) for endpoint in endpoints))
        self.on_change()

    async def _check(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        try:
            healthy = await is_healthy(session, endpoint.url, await endpoint.headers_found())
        except (ServerLostError, PermanentError) as error:
            self._unanswered(endpoint, error)
        else:
            if healthy and not endpoint.up:
                await self._ask(session, endpoint)
            elif not healthy:
                with self.lock:
                    endpoint.down(f"{endpoint.url} reports that it is unhealthy")

    def _unanswered(self, endpoint: Endpoint, error: ServerLostError | PermanentError) -> None:
        with self.lock:
            if isinstance(error, (PermanentError, LoadingError)):
                endpoint.down(str(error))
            elif error.refused or not endpoint.up or not endpoint.pending:  # else it may only be busy
                endpoint.lost(error, "" if self.settings.trust_env else proxy_hint(endpoint.url))

    async def versions(self) -> dict[str, str]:
        """Return the vLLM version of each endpoint that answers and says it, by URL."""
        async with open_session(self.settings.trust_env) as session:
            found = [(each.url, await self._version(each, session)) for each in self.endpoints if each.up]
        return {url: version for url, version in found if version}

    async def _version(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> str | None:
        try:
            return await ask_version(session, endpoint.url, await endpoint.headers_found())
        except (ServerLostError, PermanentError):
            return None

    async def probe(
        self, needed: Sequence[NeededModel], *, tools: bool = False, thorough: bool = False
    ) -> tuple[EndpointProbe, ...]:
        """Probe every endpoint that is up for the models it may be asked for, and ask it accordingly from then on.

        Args:
            needed: The models that the run asks for.
            tools: Whether the run needs tool calls.
            thorough: Whether each model is asked for a constrained choice.
        """
        self._probed = {each.url for each in self.endpoints if each.up}
        asked = [(each, by_endpoint(each, needed)) for each in self.endpoints if each.up]
        calls = ChatCalls(self.settings.trust_env)
        try:
            work = (self._probe(calls, each, models, tools, thorough) for each, models in asked if models)
            found = await asyncio.gather(*work)
        finally:
            await calls.aclose()
        self.on_change()
        return tuple(found)

    def adopt(self, probes: Iterable[EndpointProbe]) -> None:
        """Ask endpoints as `probes` found that they must be asked."""
        with self.lock:
            for probe in probes:
                endpoint = self.find(probe.url)
                if endpoint is not None:
                    endpoint.probed(probe)

    async def _probe(
        self,
        calls: ChatCalls,
        endpoint: Endpoint,
        needed: tuple[NeededModel, ...],
        tools: bool,
        thorough: bool,
    ) -> EndpointProbe:
        async with open_session(self.settings.trust_env) as pages:
            kind = kind_of(list(endpoint.models.values()), await self._version(endpoint, pages))
        seconds, concurrency = self.settings.timeout, self.settings.concurrency
        probing = Probing(kind, needed, tools, thorough, seconds, concurrency)
        found = await probe_endpoint(calls, endpoint, probing)
        self.adopt([found])
        return found

    def refusal(self, adapter: str, pinned: str | None) -> str:
        """Return why no endpoint is asked for a model that is listed; an empty text where one is, or none lists it."""
        if not any(map(_REFUSED, self.endpoints)) or self.able(adapter, pinned):
            return ""
        return "; ".join(each.refused[adapter] for each in self.endpoints if each.up and adapter in each.refused)

    def any_answers(self) -> bool:
        """Return whether any endpoint answers, asked once and without an event loop."""
        return any(answers(endpoint.url, endpoint.headers, self.settings.trust_env) for endpoint in self.endpoints)

    # -- which endpoint serves what -----------------------------------------------------------------------

    def missing(self, adapters: Iterable[str]) -> tuple[str, ...]:
        """Return those of `adapters` that no answering server has; nothing if no server answers."""
        up = [endpoint for endpoint in self.endpoints if endpoint.up]
        return tuple(name for name in adapters if up and not any(each.serves(name, listed=True) for each in up))

    def able(self, adapter: str, pinned: str | None = None) -> list[Endpoint]:
        """Return the endpoints that are up and serve `adapter`; with a `pinned` URL, only the one at that URL."""
        return [each for each in self.endpoints if each.up and each.serves(adapter) and each.takes(pinned)]

    def has_untried(self, request: Request, tried: Collection[str]) -> bool:
        """Return whether a server that is not among the `tried` URLs takes calls now, or after a call in flight."""
        now = time.monotonic()
        untried = (each for each in self.able(request.adapter, pinned_url(request)) if each.url not in tried)
        return any(each.free_at(now, request.adapter) is None for each in untried)

    def why_none(self, adapter: str, *others: str, pinned: str | None = None) -> InferenceError:
        """Return the error that says why no server can take a call to `adapter`, or to any of `others`."""
        asked = [each for each in self.endpoints if each.takes(pinned)]
        if not asked:
            return PermanentError(f"a call is pinned to {pinned}, which is none of the client's endpoints")
        refusal = self.refusal(adapter, pinned)
        if refusal:
            return PermanentError(refusal)
        answering = [endpoint for endpoint in asked if endpoint.up]
        if not answering:
            return ServerLostError(f"no server answers: {'; '.join(endpoint.detail for endpoint in asked)}")
        down = [endpoint for endpoint in asked if not endpoint.up and endpoint.serves(adapter)]
        if down:
            details = "; ".join(each.detail for each in down)
            return ServerLostError(f"the servers that have adapter {adapter!r} are down: {details}")
        served = dict.fromkeys(name for endpoint in answering for name in endpoint.served)
        where = ", ".join(endpoint.url for endpoint in answering)
        silent = [endpoint.url for endpoint in asked if not endpoint.up]
        note = f" (no answer from {', '.join(silent)})" if silent else ""
        return UnknownAdapterError(adapter, where + note, list(served), others)


def pinned_url(request: Request) -> str | None:
    """Return the URL of the only server that may answer, as the registry spells it; None for any server."""
    return request.endpoint.rstrip("/") if request.endpoint else None


def _endpoint(given: EndpointSettings, settings: InferenceSettings) -> Endpoint:
    limit = AdaptiveLimit(settings.concurrency, SLOW_SHARE * settings.timeout)
    return Endpoint(replace(given, url=given.url.rstrip("/")), Breaker(longest=settings.cooldown), limit)


def _ignore() -> None:
    """The callback of a registry without slots."""
