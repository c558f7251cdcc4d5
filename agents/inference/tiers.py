"""Which class answers for which tier. A new tier is entered here, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from agents.inference.backend import Completion, Detection, InferenceSettings, Progress, Route, TierBackend
from agents.inference.embedded.adapters import embedded_base
from agents.inference.errors import PermanentError
from agents.inference.provenance import Request, Tier
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.slots import Slots

SERVER_TIERS = (Tier.CAMEL, Tier.HTTP)


class LazyBackend:
    """A tier whose libraries take seconds to import. They are imported when first needed, in a thread.

    A tier that cannot be imported is unavailable, with the reason.

    Args:
        tier: The tier.
        build: Imports the libraries and makes the backend.
        registry: The servers of a server tier: nothing is imported before one of them answers.
    """

    def __init__(self, tier: Tier, build: Callable[[], TierBackend], registry: EndpointRegistry | None = None) -> None:
        self.tier = tier
        self._build = build
        self._registry = registry
        self._backend: TierBackend | None = None
        self._missing = ""
        self._lock = Lock()

    async def load(self) -> None:
        """Import the tier's libraries, the first time that it may answer."""
        servers_up = self._registry is None or self._registry.up
        if servers_up and self._backend is None and not self._missing:
            await asyncio.to_thread(self._build_once)

    async def detect(self) -> Sequence[Detection]:
        """Find what the tier has, as `TierBackend.detect`."""
        if self._registry is not None:
            await self._registry.refresh(patience=self._registry.settings.deadline)
        await self.load()
        if self._missing:
            return (Detection(self.tier, False, self._missing),)
        if self._registry is not None:
            return self._registry.detections(self.tier)
        return await self._backend.detect() if self._backend else ()

    def refuses(self, request: Request) -> str:
        """Return why this tier cannot answer the request, as `TierBackend.refuses`."""
        if self._backend is not None:
            return self._backend.refuses(request)
        return self._missing or ("" if self._registry is None or self._registry.up else self._registry.detail)

    async def prepare(self, progress: Progress) -> None:
        """Load what the first call would wait for, as `TierBackend.prepare`."""
        await self.load()
        if self._backend is not None:
            await self._backend.prepare(progress)

    async def complete(self, request: Request, route: Route) -> Completion:
        """Make one attempt, as `TierBackend.complete`."""
        await self.load()
        if self._backend is None:
            raise PermanentError(self.refuses(request))
        return await self._backend.complete(request, route)

    async def aclose(self) -> None:
        """Release what the running event loop's calls used."""
        backend = self._backend
        if self._registry is None:
            self._backend = None  # a later call makes another; a server tier has one client per event loop and stays
        if backend is not None:
            await backend.aclose()

    def _build_once(self) -> None:
        with self._lock:
            if self._backend is None and not self._missing:
                try:
                    self._backend = self._build()
                except ImportError as error:
                    self._missing = f"tier {self.tier.value} cannot be imported ({error}); run `make install`"


def backends(settings: InferenceSettings, slots: Slots) -> dict[Tier, TierBackend]:
    """Return the backends of the tiers that may answer, in order. Nothing is contacted or imported yet."""
    return {tier: _FACTORIES[tier](settings, slots) for tier in settings.allowed}


def _camel(_settings: InferenceSettings, slots: Slots) -> TierBackend:
    def build() -> TierBackend:
        from agents.inference.servers.camel import CamelBackend

        return CamelBackend(slots)

    return LazyBackend(Tier.CAMEL, build, slots.registry)


def _http(_settings: InferenceSettings, slots: Slots) -> TierBackend:
    from agents.inference.servers.http import HTTPBackend

    return HTTPBackend(slots)


def _embedded(settings: InferenceSettings, _slots: Slots) -> TierBackend:
    def build() -> TierBackend:
        from agents.inference.embedded.backend import EmbeddedBackend

        return EmbeddedBackend(base=embedded_base(settings))

    return LazyBackend(Tier.EMBEDDED, build)


def _simulated(_settings: InferenceSettings, _slots: Slots) -> TierBackend:
    from agents.inference.simulated import SimulatedBackend

    return SimulatedBackend()


_FACTORIES: Mapping[Tier, Callable[[InferenceSettings, Slots], TierBackend]] = {
    Tier.CAMEL: _camel,
    Tier.HTTP: _http,
    Tier.EMBEDDED: _embedded,
    Tier.SIMULATED: _simulated,
}
