"""What the two server tiers share: one pool of endpoints, and one attempt at one of them."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from agents.inference.backend import Completion, Detection, InferenceSettings, Progress, Route
from agents.inference.endpoints import Endpoint, EndpointPool
from agents.inference.errors import InferenceError, ServerLostError
from agents.inference.provenance import Request, Tier


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
        asked = time.monotonic()
        try:
            async with self._pool.lease(request, route) as endpoint:
                sent = time.monotonic()
                seconds = min(self._settings.timeout, max(0.0, route.until - sent))
                try:
                    completion = await asyncio.wait_for(self._ask(endpoint, request), seconds)
                except asyncio.TimeoutError as error:
                    message = f"{endpoint.url} gave no answer within {seconds:.3g} s"
                    raise ServerLostError(message, overload=True) from error
                return replace(completion, waited=sent - asked)
        except InferenceError as error:
            error.waited = (sent if route.taken else time.monotonic()) - asked
            raise

    @abstractmethod
    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        """Ask this endpoint once, for as long as it takes."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the running loop's connections; a later call opens new ones."""
