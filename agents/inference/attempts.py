"""The attempts of one call at one tier: moves to other servers, retries with back-off, and the deadline."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from agents.inference.backend import Route, TierBackend
from agents.inference.deadlines import Deadlines
from agents.inference.errors import (
    InferenceError,
    LoadingError,
    OtherModelError,
    OutOfTimeError,
    ServerLostError,
    TransientError,
)
from agents.inference.provenance import Reply, Request, Tier
from agents.inference.records import Attempt, OnCall
from agents.inference.servers.discovery import ASK_TIMEOUT
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.tiers import SERVER_TIERS

BACKOFF = 0.25  # seconds before the first retry, doubling
BACKOFF_MAX = 8.0


@dataclass
class _Call:
    """The state of one call at a tier.

    `tried` are the servers that failed since the last pause, `why` is the last error that says what was wrong.
    """

    request: Request
    fallback_from: Sequence[Tier]
    deadline: float
    attempt: int = 0
    retries: int = 0
    tried: set[str] = field(default_factory=set)
    why: TransientError | None = None


class Attempts:
    """Gets replies from one tier. Every attempt leaves a record, however it ends.

    Args:
        tier: The tier.
        backend: The tier's backend.
        registry: The servers, and the settings.
        on_call: Receives the record of each attempt.
    """

    def __init__(self, tier: Tier, backend: TierBackend, registry: EndpointRegistry, on_call: OnCall) -> None:
        self._tier = tier
        self._backend = backend
        self._registry = registry
        self._settings = registry.settings
        self._on_call = on_call
        self._served = tier in SERVER_TIERS

    async def reply(self, request: Request, fallback_from: Sequence[Tier], deadline: float) -> Reply:
        """Return the tier's reply.

        Args:
            request: The request.
            fallback_from: The tiers that failed before this one.
            deadline: The moment (monotonic seconds) by which a server must have answered.

        Raises:
            InferenceError: As the last attempt that was not cut short by the deadline; OutOfTimeError without one.
        """
        call = _Call(request, fallback_from, deadline if self._served else math.inf)
        if time.monotonic() >= call.deadline:
            raise OutOfTimeError(f"the call's deadline of {self._settings.deadline:g} s has passed")
        while True:
            try:
                call.attempt += 1
                return await self._attempt(call, self._route(call))
            except TransientError as error:
                pause = self._pause_after(error, call)
                if pause is None:
                    await self._confirm(error, call)
                    if call.why is None or call.why is error:
                        raise
                    raise call.why from error
            await asyncio.sleep(pause)

    def _pause_after(self, error: TransientError, call: _Call) -> float | None:
        """Return the seconds to wait before the next attempt; None where no other attempt is made."""
        repeated = error.endpoint in call.tried
        call.tried.add(error.endpoint)
        call.why = call.why if isinstance(error, OutOfTimeError) else error
        left = call.deadline - time.monotonic()
        if left <= 0 or isinstance(error, OutOfTimeError):
            return None
        if error.endpoint and not repeated and self._registry.has_untried(call.request, call.tried):
            return 0.0
        if isinstance(error, OtherModelError):
            return None
        call.tried.clear()
        if isinstance(error, LoadingError):
            return error.retry_after if error.retry_after < left else None
        call.retries += 1
        pause = _pause(error, call.retries)
        return None if call.retries > self._settings.retries or pause >= min(left, self._settings.timeout) else pause

    async def _confirm(self, error: TransientError, call: _Call) -> None:
        """After the last broken connection of a call, check whether its server is down, for the calls that follow.

        The check takes no longer than the call may.
        """
        endpoint = self._registry.find(error.endpoint) if isinstance(error, ServerLostError) else None
        left = min(call.deadline - time.monotonic(), ASK_TIMEOUT)
        if endpoint is not None and endpoint.up and left > 0:
            # a check that takes too long leaves the server's state as it was
            with suppress(asyncio.TimeoutError), Deadlines().within(left):
                await self._registry.check([endpoint])

    def _route(self, call: _Call) -> Route:
        if not self._served:
            return Route()
        return Route(frozenset(call.tried), call.deadline)

    async def _attempt(self, call: _Call, route: Route) -> Reply:
        this = Attempt(call.request, self._tier, call.attempt, time.perf_counter())
        try:
            completion = await self._backend.complete(call.request, route)
        except InferenceError as error:
            self._on_call(this.failed(error, route))
            raise
        except asyncio.CancelledError:
            self._on_call(this.cancelled(route))
            raise
        reply, record = this.succeeded(completion, route, call.fallback_from)
        self._on_call(record)
        return reply


def _pause(error: TransientError, retry: int) -> float:
    """Return the seconds to wait before a retry: what the server asks for, else exponential with jitter."""
    if error.retry_after is not None:
        return error.retry_after
    return min(BACKOFF_MAX, BACKOFF * 2.0 ** (retry - 1)) * random.uniform(0.5, 1.0)
