"""What the two server tiers share: one pool of endpoints, and one attempt at one of them."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from agents.inference.backend import Completion, Detection, InferenceSettings, Progress, Route
from agents.inference.endpoints import Endpoint, EndpointPool
from agents.inference.errors import OutOfTimeError, ServerLostError
from agents.inference.limits import SLOW_SHARE
from agents.inference.provenance import Request, Tier
from agents.inference.timer import within


class ServerBackend(ABC):
    """A `TierBackend` whose models live behind endpoints; a subclass says how one of them is asked."""

    tier: Tier

    def __init__(self, pool: EndpointPool, settings: InferenceSettings) -> None:
        self._pool = pool
        self._settings = settings

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
            return await self._ask_in_time(endpoint, request, route.until - time.monotonic())

    async def _ask_in_time(self, endpoint: Endpoint, request: Request, left: float) -> Completion:
        """Raises ServerLostError after the time an attempt has, OutOfTimeError where little of it was left."""
        whole = min(self._settings.timeout, self._settings.deadline)
        seconds = min(whole, max(0.0, left))
        try:
            async with within(seconds):
                return await self._ask(endpoint, request)
        except asyncio.TimeoutError as error:
            message = f"{endpoint.url} gave no answer within {seconds:.3g} s"
            if seconds < SLOW_SHARE * whole:
                raise OutOfTimeError(f"{message}, all that was left of the call's time") from error
            raise ServerLostError(message, overload=True) from error

    @abstractmethod
    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        """Ask this endpoint once, for as long as it takes."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the running loop's connections; a later call opens new ones."""
