"""The servers a client may ask, and which one takes the next call.

    async with pool.lease(request, route) as endpoint: ...   # one call in flight

A lease waits until a server that has the adapter has a free place, hands places out in the order asked for, and
learns from how the call ends: the server's circuit breaker, its adaptive limit, its rest after a Retry-After. A server
where nothing listens any more is left alone at once; `agents.inference.servers.health` finds out when it is back.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agents.inference.backend import Detection, EndpointSettings, InferenceSettings, Route
from agents.inference.errors import (
    InferenceError,
    PermanentError,
    ServerLostError,
    TransientError,
    UnknownAdapterError,
)
from agents.inference.provenance import Request, Tier
from agents.inference.servers.balancing import Balancing, pick
from agents.inference.servers.breaker import Breaker
from agents.inference.servers.discovery import answers, is_healthy, list_models, open_session
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.lease import Lease, Place
from agents.inference.servers.limits import SLOW_SHARE, AdaptiveLimit
from agents.inference.servers.queue import Kind, Queue, Wait

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Endpoint", "EndpointPool"]


class EndpointPool:
    """The endpoints one client shares between its server tiers."""

    def __init__(self, endpoints: Sequence[str | EndpointSettings], settings: InferenceSettings) -> None:
        given = (each if isinstance(each, EndpointSettings) else EndpointSettings(each) for each in endpoints)
        self.endpoints = tuple({each.url: each for each in (_endpoint(each, settings) for each in given)}.values())
        self.settings = settings
        self.returns = 0
        self._policy = settings.balancing or Balancing.ADAPTER_AFFINITY
        self._rng = random.Random()
        self._queue: Queue[Place] = Queue(self._place, self.give_back)
        self._asking: asyncio.Task[None] | None = None

    def pin(self, url: str, adapter: str) -> None:
        """Have an endpoint at `url` that may be asked for `adapter`."""
        known = self.named(url.rstrip("/"))
        if known is None:
            added = _endpoint(EndpointSettings(url, adapters=(adapter,), pinned_only=True), self.settings)
            self.endpoints = (*self.endpoints, added)
        elif known.settings.adapters is not None and adapter not in known.settings.adapters:
            known.settings = replace(known.settings, adapters=(*known.settings.adapters, adapter))

    # -- detection --------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return any(endpoint.up for endpoint in self.endpoints)

    @property
    def asked(self) -> bool:
        return all(endpoint.asked for endpoint in self.endpoints)

    @property
    def detail(self) -> str:
        """Why no endpoint answers."""
        return "; ".join(endpoint.detail for endpoint in self.endpoints) or "no endpoint is configured"

    def detections(self, tier: Tier) -> tuple[Detection, ...]:
        return tuple(endpoint.detection(tier) for endpoint in self.endpoints)

    async def refresh(self) -> None:
        """Ask every endpoint what it serves, all at once. Callers at the same time share one ask."""
        task = self._asking
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._asking = asyncio.create_task(self._ask_all())
        await asyncio.shield(task)

    async def _ask_all(self) -> None:
        async with open_session() as session:
            await asyncio.gather(*(self._ask(session, endpoint) for endpoint in self.endpoints))
        self._queue.serve()

    async def _ask(self, session: aiohttp.ClientSession, endpoint: Endpoint) -> None:
        was_lost = endpoint.asked and not endpoint.up
        try:
            endpoint.answered(await list_models(session, endpoint.url, await endpoint.headers_found()))
        except ServerLostError as error:
            _lost(endpoint, error)
        except PermanentError as error:
            endpoint.down(str(error))
        self.returns += was_lost and endpoint.up

    async def check(self, endpoints: Iterable[Endpoint]) -> None:
        """Look whether servers that answered once are well, and take them back or leave them alone accordingly."""
        async with open_session() as session:
            await asyncio.gather(*(self._check(endpoint, session) for endpoint in endpoints))
        self._queue.serve()

    async def _check(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        try:
            well = await is_healthy(session, endpoint.url, await endpoint.headers_found())
        except ServerLostError as error:
            _lost(endpoint, error)
        except PermanentError as error:
            endpoint.down(str(error))
        else:
            if well and not endpoint.up:
                await self._ask(session, endpoint)
            elif not well:
                endpoint.down(f"{endpoint.url} says that it is not well")

    def named(self, url: str) -> Endpoint | None:
        return next((endpoint for endpoint in self.endpoints if endpoint.url == url), None)

    def probe(self) -> bool:
        """One synchronous ask, for callers without an event loop: does any endpoint answer?"""
        return any(answers(endpoint.url, endpoint.headers) for endpoint in self.endpoints)

    # -- picking ----------------------------------------------------------------------------------------

    def missing(self, adapters: Iterable[str]) -> tuple[str, ...]:
        """Those of `adapters` that no answering server has; none where no server answers."""
        able = [endpoint for endpoint in self.endpoints if endpoint.up]
        return tuple(name for name in adapters if able and not any(each.serves(name) for each in able))

    def able(self, request: Request) -> list[Endpoint]:
        """The endpoints that are there and have what is asked for."""
        pinned = _pinned(request)
        return [each for each in self.endpoints if each.up and each.serves(request.adapter) and each.takes(pinned)]

    def elsewhere(self, request: Request, tried: Collection[str], *, idle: bool = False) -> bool:
        """Whether a server that was not tried yet takes calls now; with `idle`, whether it would take one at once."""
        now = time.monotonic()
        untried = (each for each in self.able(request) if each.url not in tried)
        return any(each.free(now) if idle else each.free_at(now) is None for each in untried)

    def nowhere(self, adapter: str, pinned: str | None = None) -> InferenceError:
        """Why no server can take a call to `adapter`."""
        asked = [each for each in self.endpoints if each.takes(pinned)]
        if not asked:
            return PermanentError(f"a call is pinned to {pinned}, which is none of the client's endpoints")
        answering = [endpoint for endpoint in asked if endpoint.up]
        if not answering:
            return ServerLostError(f"no server answers: {'; '.join(endpoint.detail for endpoint in asked)}")
        away = [endpoint for endpoint in asked if not endpoint.up and endpoint.serves(adapter)]
        if away:
            return ServerLostError(f"what serves {adapter!r} is away: {'; '.join(each.detail for each in away)}")
        served = dict.fromkeys(name for endpoint in answering for name in endpoint.served)
        where = ", ".join(endpoint.url for endpoint in answering)
        silent = [endpoint.url for endpoint in asked if not endpoint.up]
        note = f" (no answer from {', '.join(silent)})" if silent else ""
        return UnknownAdapterError(adapter, where + note, list(served))

    def lease(self, request: Request, route: Route) -> Lease:
        """One call in flight at the endpoint given, which learns from how the call ends.

        Raises UnknownAdapterError where servers answer but none has the adapter, ServerLostError where none
        answers, TransientError where none will have a place, OutOfTimeError where none had one in time.
        """
        return Lease(self, request, route)

    def acquire_now(self, request: Request, route: Route) -> Place | None:
        """A place that is free at once."""
        return self._queue.take_now(request, route)

    async def acquire(self, request: Request, route: Route) -> Place:
        refreshed = False
        while True:
            place = await self._queue.take(request, route)
            if place is not None:
                return place
            able = self.able(request)
            if not able and refreshed:
                raise self.nowhere(request.adapter, _pinned(request))
            if not able:
                await self.refresh()
                refreshed = True
            elif futile := self._futile(able, route, time.monotonic()):
                raise TransientError(futile, overload=True)

    def _futile(self, able: Sequence[Endpoint], route: Route, now: float) -> str:
        """Why waiting for any of `able` would be in vain; empty where it may help."""
        patience = self.settings.retries + 1
        if all(each.breaker.openings > patience and not each.breaker.allows(now) for each in able):
            return f"{_urls(able)}: calls keep failing, and so did every new try"
        if all(each.rest_until > max(now, min(route.until, now + self.settings.timeout)) for each in able):
            return f"{_urls(able)}: asked to be left alone for longer than a call may take"
        return ""

    def _place(self, request: Request, route: Route) -> Place | Wait:
        """The place that the call takes now; else what keeps it."""
        now, able = time.monotonic(), self.able(request)
        free = [each for each in able if each.free(now)]
        untried = [each for each in free if each.url not in route.avoid] or free
        if untried:
            endpoint = pick(self._policy, untried, request.adapter, self._rng, self.settings.replicas)
            endpoint.pending += 1
            endpoint.calls += 1
            return Place(endpoint, endpoint.breaker.begin())
        moments = [moment for each in able if (moment := each.free_at(now)) is not None]
        return Wait(not able or bool(self._futile(able, route, now)), min(moments, default=None))

    def give_back(self, place: Place) -> None:
        """A place that tells nothing of its server: not used, or its call was cancelled."""
        with self._queue.lock:
            place.endpoint.breaker.abandoned(place.probe)
            place.endpoint.pending -= 1
            self._queue.serve()

    def failed(self, place: Place, error: InferenceError, began: float) -> None:
        with self._queue.lock:
            place.endpoint.failed(error, began, time.monotonic(), place.probe)
            place.endpoint.pending -= 1
            self._queue.serve()

    def succeeded(self, place: Place, began: float) -> None:
        endpoint, now = place.endpoint, time.monotonic()

        def concerns(kind: Kind) -> bool:
            return endpoint.free(now) and endpoint.serves(kind.adapter) and endpoint.takes(_pinned(kind))

        with self._queue.lock:
            endpoint.succeeded(began, now)
            endpoint.pending -= 1
            self._queue.serve(concerns)


def _lost(endpoint: Endpoint, error: ServerLostError) -> None:
    """It did not answer, and is taken for gone unless it may only be busy."""
    if error.refused or not endpoint.up or not endpoint.pending:
        endpoint.lost(error)


def _pinned(call: Request | Kind) -> str | None:
    return call.endpoint.rstrip("/") if call.endpoint else None


def _urls(endpoints: Sequence[Endpoint]) -> str:
    return ", ".join(endpoint.url for endpoint in endpoints)


def _endpoint(given: EndpointSettings, settings: InferenceSettings) -> Endpoint:
    limit = AdaptiveLimit(settings.concurrency, SLOW_SHARE * settings.timeout)
    return Endpoint(replace(given, url=given.url.rstrip("/")), Breaker(longest=settings.cooldown), limit)
