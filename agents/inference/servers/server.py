"""What the two server tiers share: one pool of endpoints, and one attempt at one of them."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from agents.inference.backend import Completion, Detection, InferenceSettings, Progress, Route
from agents.inference.errors import OutOfTimeError, ServerLostError, TransientError
from agents.inference.provenance import Request, Tier
from agents.inference.servers.endpoints import Endpoint, EndpointPool
from agents.inference.servers.limits import SLOW_SHARE
from agents.inference.timer import within


class ServerBackend(ABC):
    """A `TierBackend` whose models live behind endpoints; a subclass says how one of them is asked."""

    tier: Tier

    def __init__(self, pool: EndpointPool, settings: InferenceSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._longest = min(settings.timeout, settings.deadline)

    async def detect(self) -> Sequence[Detection]:
        await self._pool.refresh()
        return self._pool.detections(self.tier)

    def refuses(self, _request: Request) -> str:
        return "" if self._pool.up else self._pool.detail

    async def prepare(self, progress: Progress) -> None:  # noqa: B027 - not abstract: servers load nothing
        """Nothing to load: the server holds the models."""

    async def complete(self, request: Request, route: Route) -> Completion:
        """One attempt. Raises TransientError, PermanentError or UnknownAdapterError."""
        async with self._pool.lease(request, route) as endpoint:
            seconds = min(self._longest, max(0.0, route.until - time.monotonic()))
            try:
                async with within(seconds):
                    return await self._ask(endpoint, request)
            except asyncio.TimeoutError as error:
                raise self._too_slow(endpoint, seconds) from error

    def _too_slow(self, endpoint: Endpoint, seconds: float) -> TransientError:
        """ServerLostError where the server had the time an attempt has, OutOfTimeError where little of it was left."""
        message = f"{endpoint.url} gave no answer within {seconds:.3g} s"
        if seconds < SLOW_SHARE * self._longest:
            return OutOfTimeError(f"{message}, all that was left of the call's time")
        return ServerLostError(message, overload=True)

    @abstractmethod
    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        """Ask this endpoint once, for as long as it takes."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the running loop's connections; a later call opens new ones."""
