"""What the two server tiers share: one pool of endpoints, and one attempt at one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from agents.inference.backend import Completion, Detection, InferenceSettings, Progress
from agents.inference.endpoints import Endpoint, EndpointPool
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

    async def complete(self, request: Request) -> Completion:
        """One attempt. Raises TransientError, PermanentError or UnknownAdapterError."""
        endpoint = await self._pool.reserve(request.adapter)
        with self._pool.lease(endpoint, request.adapter):
            return await self._ask(endpoint, request)

    @abstractmethod
    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        """Ask this endpoint once."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the running loop's connections; a later call opens new ones."""
