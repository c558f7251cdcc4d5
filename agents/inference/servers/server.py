"""The part that the two server tiers share: the endpoints with their slots, and one attempt at one endpoint."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from agents.inference.backend import Completion, Detection, Progress, Route
from agents.inference.errors import OutOfTimeError, PermanentError, ServerLostError, TransientError
from agents.inference.provenance import Request, Tier
from agents.inference.servers.choice_odds import odds_fields
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.endpoints import pinned_url
from agents.inference.servers.limits import SLOW_SHARE
from agents.inference.servers.slots import Slots


class ServerBackend(ABC):
    """A `TierBackend` that asks servers; a subclass defines how one of them is asked."""

    tier: Tier

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._registry = slots.registry
        self._settings = slots.settings
        self._longest = min(self._settings.timeout, self._settings.deadline)

    async def detect(self) -> Sequence[Detection]:
        """Ask every endpoint what it serves."""
        await self._registry.refresh(patience=self._settings.deadline)
        return self._registry.detections(self.tier)

    def refuses(self, request: Request) -> str:
        """Return why no server answers this request; an empty text if one may."""
        if not self._registry.up:
            return self._registry.detail
        return self._registry.refusal(request.adapter, pinned_url(request))

    async def prepare(self, progress: Progress) -> None:  # noqa: B027 - not abstract: servers load nothing
        """Do nothing: the server has loaded the models."""

    async def complete(self, request: Request, route: Route) -> Completion:
        """Make one attempt at one server; a server that refuses to send probabilities is asked again without them.

        Raises:
            TransientError, PermanentError, UnknownAdapterError: The attempt failed; `agents.inference.errors` says how.
        """
        async with self._slots.lease(request, route) as endpoint:
            seconds = min(self._longest, max(0.0, route.until - time.monotonic()))
            try:
                with self._slots.deadlines.within(seconds):
                    try:
                        return await self._ask(endpoint, request)
                    except PermanentError as error:
                        if not _refuses_odds(error, endpoint, request):
                            raise
                    endpoint.dialect = replace(endpoint.dialect, odds=False)
                    return await self._ask(endpoint, request)
            except asyncio.TimeoutError as error:
                raise self._too_slow(endpoint, seconds) from error

    def _too_slow(self, endpoint: Endpoint, seconds: float) -> TransientError:
        """Return ServerLostError if the server had about the time of an attempt, OutOfTimeError if it had much less."""
        message = f"{endpoint.url} gave no answer within {seconds:.3g} s"
        if seconds < SLOW_SHARE * self._longest:
            return OutOfTimeError(f"{message}, the time that the call had left")
        return ServerLostError(message, overload=True)

    @abstractmethod
    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        """Ask this endpoint once, without a time limit."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the running loop's connections; a later call opens new ones."""


def _refuses_odds(error: PermanentError, endpoint: Endpoint, request: Request) -> bool:
    """Return whether a server refused the field that asks for the probabilities of a decision's choices."""
    return bool(endpoint.dialect.odds and odds_fields(request)) and "logprob" in str(error).lower()
