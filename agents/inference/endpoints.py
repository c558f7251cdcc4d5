"""The servers a client may ask: what each serves, whether it can be asked now, and which one takes the next call.

    async with pool.lease(request, route) as endpoint: ...   # one call in flight

A lease waits until a server that has the adapter has a free place, hands places out in the order asked for, and
learns from how the call ends: the server's circuit breaker, its adaptive limit, its rest after a Retry-After. A server
where nothing listens any more is left alone at once; `agents.inference.health` finds out when it is back.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agents.inference.backend import Detection, EndpointSettings, InferenceSettings, Route
from agents.inference.balancing import Balancing, pick
from agents.inference.breaker import Breaker
from agents.inference.discovery import ServedModel, answers, how_to_start, is_healthy, list_models, open_session
from agents.inference.errors import InferenceError, PermanentError, ServerLostError, TransientError, UnknownAdapterError
from agents.inference.limits import SLOW_SHARE, AdaptiveLimit
from agents.inference.provenance import Request, Tier
from agents.inference.queue import Queue, Wait

if TYPE_CHECKING:
    import aiohttp


@dataclass(eq=False)
class Endpoint:
    """One server. `detail` says in a sentence how the last ask went; times are of the monotonic clock."""

    settings: EndpointSettings
    breaker: Breaker
    limit: AdaptiveLimit
    models: dict[str, ServedModel] = field(default_factory=dict)
    up: bool = False
    asked: bool = False
    detail: str = "not asked yet"
    pending: int = 0
    calls: int = 0
    credit: float = 0.0
    rest_until: float = 0.0

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def weight(self) -> float:
        return self.settings.weight

    @property
    def served(self) -> tuple[str, ...]:
        """What may be asked for here: what the server lists, within what the settings name."""
        return tuple(name for name in self.models if self.serves(name))

    def serves(self, adapter: str) -> bool:
        wanted = self.settings.adapters
        return adapter in self.models and (wanted is None or adapter in wanted)

    def takes(self, pinned: str | None) -> bool:
        """Whether a call that is pinned to a URL, or to none, may go here."""
        return self.url == pinned or (pinned is None and not self.settings.pinned_only)

    def headers(self) -> dict[str, str]:
        """Raises PermanentError where the environment does not hold the key that the settings ask for."""
        return api_headers(self.settings)

    def detection(self, tier: Tier) -> Detection:
        present = [self.models[name] for name in self.served] if self.up else ()
        return Detection(
            tier=tier,
            available=self.up,
            detail=self.detail,
            endpoint=self.url,
            adapters=tuple(model.name for model in present if model.parent),
            base_models=tuple(model.name for model in present if not model.parent),
        )

    def answered(self, models: Iterable[ServedModel]) -> None:
        """It listed what it serves: it is there, and may be asked at once."""
        self.models, self.asked, self.up = {model.name: model for model in models}, True, True
        self.detail = f"{self.url} serves {', '.join(self.served) or 'no model'}"
        self.breaker.succeeded()
        self.rest_until = 0.0

    def down(self, detail: str) -> None:
        self.up, self.asked, self.detail = False, True, detail

    def free(self, now: float) -> bool:
        """Whether a call may be sent now."""
        return self.pending < self.limit.value and now >= self.rest_until and self.breaker.allows(now)

    def free_at(self, now: float) -> float | None:
        """When it may be asked again, where only time keeps it; None where a call in flight does."""
        moment = max(self.rest_until, self.breaker.reopens if self.breaker.openings else 0.0)
        return moment if moment > now else None


class EndpointPool:
    """The endpoints one client shares between its server tiers."""

    def __init__(self, endpoints: Sequence[str | EndpointSettings], settings: InferenceSettings) -> None:
        given = (each if isinstance(each, EndpointSettings) else EndpointSettings(each) for each in endpoints)
        self.endpoints = tuple({each.url: each for each in (_endpoint(each, settings) for each in given)}.values())
        self.settings = settings
        self.returns = 0
        self._policy = settings.balancing or Balancing.ADAPTER_AFFINITY
        self._rng = random.Random()
        self._queue = Queue(self._place, self._give_back)
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
            endpoint.answered(await list_models(session, endpoint.url, endpoint.headers()))
        except ServerLostError as error:
            endpoint.down(f"{error}; {how_to_start(endpoint.url)}")
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
            well = await is_healthy(session, endpoint.url, endpoint.headers())
        except ServerLostError as error:
            if error.refused or not endpoint.pending:  # a busy server may take its time to say that it is well
                endpoint.down(f"{error}; {how_to_start(endpoint.url)}")
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
        return any(answers(endpoint.url) for endpoint in self.endpoints)

    # -- picking ----------------------------------------------------------------------------------------

    def missing(self, adapters: Iterable[str]) -> tuple[str, ...]:
        """Those of `adapters` that no answering server has; none where no server answers."""
        able = [endpoint for endpoint in self.endpoints if endpoint.up]
        return tuple(name for name in adapters if able and not any(each.serves(name) for each in able))

    def able(self, request: Request) -> list[Endpoint]:
        """The endpoints that are there and have what is asked for."""
        pinned = request.endpoint and request.endpoint.rstrip("/")
        return [each for each in self.endpoints if each.up and each.serves(request.adapter) and each.takes(pinned)]

    def elsewhere(self, request: Request, tried: frozenset[str]) -> bool:
        """Whether a server that was not tried yet could take the call."""
        return any(each.url not in tried for each in self.able(request))

    def nowhere(self, adapter: str, pinned: str | None = None) -> InferenceError:
        """Why no server can take a call to `adapter`."""
        asked = [each for each in self.endpoints if each.takes(pinned)]
        answering = [endpoint for endpoint in asked if endpoint.up]
        if not answering:
            return ServerLostError(f"no server answers: {'; '.join(endpoint.detail for endpoint in asked)}")
        served = dict.fromkeys(name for endpoint in answering for name in endpoint.served)
        where = ", ".join(endpoint.url for endpoint in answering)
        silent = [endpoint.url for endpoint in asked if not endpoint.up]
        note = f" (no answer from {', '.join(silent)})" if silent else ""
        return UnknownAdapterError(adapter, where + note, list(served))

    @asynccontextmanager
    async def lease(self, request: Request, route: Route) -> AsyncIterator[Endpoint]:
        """One call in flight at the endpoint given, which learns from how the call ends.

        Raises UnknownAdapterError where servers answer but none has the adapter, ServerLostError where none
        answers, TransientError where none had a free place in time.
        """
        endpoint = await self._acquire(request, route)
        route.taken, began, probe = endpoint.url, time.monotonic(), endpoint.breaker.probing
        try:
            yield endpoint
        except InferenceError as error:
            error.endpoint = endpoint.url
            self._learn(endpoint, request, error, began, probe)
            raise
        except (
            BaseException
        ):  # cancelled, or a fault of ours: it tells nothing of the server, and the place is free again
            endpoint.breaker.abandoned(probe)
            raise
        else:
            endpoint.breaker.succeeded()
            endpoint.limit.returned(began, time.monotonic(), endpoint.pending)
        finally:
            self._release(endpoint)

    async def _acquire(self, request: Request, route: Route) -> Endpoint:
        refreshed = False
        while True:
            able = self.able(request)
            if not able and refreshed:
                raise self.nowhere(request.adapter, request.endpoint)
            if not able:
                await self.refresh()
                refreshed = True
            elif futile := self._futile(able, route, time.monotonic()):
                raise TransientError(futile, overload=True)
            elif endpoint := await self._queue.take(request, route):
                return endpoint

    def _futile(self, able: Sequence[Endpoint], route: Route, now: float) -> str:
        """Why waiting for any of `able` would be in vain; empty where it may help."""
        patience = self.settings.retries + 1
        if all(each.breaker.openings > patience and not each.breaker.allows(now) for each in able):
            return f"{_urls(able)}: calls keep failing, and so did every new try"
        if all(each.rest_until > max(now, route.until) for each in able):
            return f"{_urls(able)}: asked to be left alone for longer than a call may take"
        return ""

    def _place(self, request: Request, route: Route) -> Endpoint | Wait:
        """The endpoint that takes the call now, with a place taken in it; else what keeps the call."""
        now, able = time.monotonic(), self.able(request)
        free = [each for each in able if each.free(now)]
        untried = [each for each in free if each.url not in route.avoid] or free
        if untried:
            endpoint = pick(self._policy, untried, request.adapter, self._rng, self.settings.replicas)
            endpoint.pending += 1
            endpoint.calls += 1
            endpoint.breaker.begin()
            return endpoint
        moments = [moment for each in able if (moment := each.free_at(now)) is not None]
        return Wait(not able or bool(self._futile(able, route, now)), min(moments, default=None))

    def _give_back(self, endpoint: Endpoint) -> None:
        """A place that was handed out and not used."""
        endpoint.breaker.abandoned(endpoint.breaker.probing)
        self._release(endpoint)

    def _release(self, endpoint: Endpoint) -> None:
        endpoint.pending -= 1
        self._queue.serve()

    def _learn(self, endpoint: Endpoint, request: Request, error: InferenceError, began: float, probe: bool) -> None:
        now = time.monotonic()
        if isinstance(error, ServerLostError) and error.refused:
            endpoint.down(f"{error}; {how_to_start(endpoint.url)}")
        if isinstance(error, TransientError) and error.overload:
            endpoint.limit.overloaded(began, now)
        if isinstance(error, TransientError) and error.retry_after is not None:
            endpoint.rest_until = max(endpoint.rest_until, now + error.retry_after)
            endpoint.breaker.abandoned(probe)
        elif isinstance(error, TransientError):
            endpoint.breaker.failed(now, probe)
        else:
            endpoint.breaker.abandoned(probe)
        if isinstance(error, UnknownAdapterError):
            endpoint.models.pop(request.adapter, None)
            if self.able(request):
                elsewhere = TransientError(f"{endpoint.url} no longer serves {request.adapter!r}; another server does")
                elsewhere.endpoint = endpoint.url
                raise elsewhere from error


def api_headers(endpoint: EndpointSettings) -> dict[str, str]:
    """The headers that open a server. Raises PermanentError where the environment does not hold its key."""
    name = endpoint.api_key_env
    if not name:
        return {}
    key = os.environ.get(name)
    if not key:
        raise PermanentError(f"{endpoint.url} wants the API key in the environment variable {name}, which is not set")
    return {"Authorization": f"Bearer {key}"}


def _urls(endpoints: Sequence[Endpoint]) -> str:
    return ", ".join(endpoint.url for endpoint in endpoints)


def _endpoint(given: EndpointSettings, settings: InferenceSettings) -> Endpoint:
    limit = AdaptiveLimit(settings.concurrency, SLOW_SHARE * settings.timeout)
    return Endpoint(replace(given, url=given.url.rstrip("/")), Breaker(longest=settings.cooldown), limit)
