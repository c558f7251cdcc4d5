"""One call in flight at a server: its place, given back with what the call taught."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.errors import InferenceError, TransientError, UnknownAdapterError

if TYPE_CHECKING:
    from types import TracebackType

    from agents.inference.backend import Route
    from agents.inference.provenance import Request
    from agents.inference.servers.endpoint import Endpoint
    from agents.inference.servers.endpoints import EndpointPool


class Place(NamedTuple):
    """Room for one call at a server; `probe` is the number its circuit breaker gave the call, 0 for none."""

    endpoint: Endpoint
    probe: int = 0


class Lease:
    """A place at a server for as long as the block takes (`EndpointPool.lease`)."""

    __slots__ = ("_began", "_place", "_pool", "_request", "_route")

    def __init__(self, pool: EndpointPool, request: Request, route: Route) -> None:
        self._pool = pool
        self._request = request
        self._route = route

    async def __aenter__(self) -> Endpoint:
        asked = time.monotonic()
        try:
            now = self._pool.acquire_now(self._request, self._route)
            self._place = now or await self._pool.acquire(self._request, self._route)
            self._route.taken = self._place.endpoint.url
        finally:
            self._began = time.monotonic()
            self._route.waited = self._began - asked
        return self._place.endpoint

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            self._pool.succeeded(self._place, self._began)
        elif isinstance(error, InferenceError):
            self._failed(error)
        else:  # cancelled, or a fault of ours: it tells nothing of the server
            self._pool.give_back(self._place)

    def _failed(self, error: InferenceError) -> None:
        endpoint, adapter = self._place.endpoint, self._request.adapter
        error.endpoint = endpoint.url
        if isinstance(error, UnknownAdapterError):
            endpoint.models.pop(adapter, None)
        self._pool.failed(self._place, error, self._began)
        if isinstance(error, UnknownAdapterError) and self._pool.able(self._request):
            moved = TransientError(f"{endpoint.url} no longer serves {adapter!r}; another server does")
            moved.endpoint = endpoint.url
            raise moved from error
