"""Calls that wait for a free place at a server, over event loops and threads.

`take` returns at once where there is a place. A place that becomes free is handed to a waiting call that can use it, so
that a thousand waiting calls do not wake each other up. Calls of one kind (adapter and pinned endpoint) are served in
the order they came, the kinds in turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.errors import TransientError

if TYPE_CHECKING:
    from agents.inference.backend import Route
    from agents.inference.endpoints import Endpoint
    from agents.inference.provenance import Request


@dataclass(frozen=True)
class Wait:
    """What keeps a call: `hopeless` where no server is left that could take it; `until` (monotonic seconds) is when one
    may, None where that hangs on a call in flight."""

    hopeless: bool = False
    until: float | None = None


class Kind(NamedTuple):
    """Calls that the same servers can take."""

    adapter: str
    endpoint: str | None


@dataclass(eq=False)
class _Waiting:
    request: Request
    route: Route
    loop: asyncio.AbstractEventLoop
    place: asyncio.Future[Endpoint | None]


class Queue:
    """`place` finds a place and takes it, or says what keeps the call; `give_back` frees one that was taken."""

    def __init__(
        self, place: Callable[[Request, Route], Endpoint | Wait], give_back: Callable[[Endpoint], None]
    ) -> None:
        self._place = place
        self._give_back = give_back
        self._waiting: dict[Kind, deque[_Waiting]] = {}
        self._lock = RLock()
        self._alarm: tuple[float, asyncio.TimerHandle] | None = None

    async def take(self, request: Request, route: Route) -> Endpoint | None:
        """An endpoint with a place taken in it; None where the caller must look again at what servers there are.

        Raises TransientError where `route.until` passes first.
        """
        with self._lock:
            if not self._waiting:
                found = self._place(request, route)
                if not isinstance(found, Wait):
                    return found
            waiting = self._enter(request, route)
            self.serve()
        expiry = waiting.loop.call_later(max(0.0, route.until - time.monotonic()), self._expire, waiting)
        try:
            return await waiting.place
        except asyncio.CancelledError:
            self._leave(waiting)
            raise
        finally:
            expiry.cancel()

    def serve(self) -> None:
        """Hand out every place that is free, and wake the calls that no server is left for."""
        with self._lock:
            moments = [self._serve_kind(kind) for kind in list(self._waiting)]
            self._set_alarm(min((moment for moment in moments if moment is not None), default=None))

    def _serve_kind(self, kind: Kind) -> float | None:
        """Serve the calls of one kind; when it is worth another try, where time alone decides."""
        line = self._waiting.pop(kind)
        while line:
            first = line[0]
            found = self._place(first.request, first.route)
            if isinstance(found, Wait) and not found.hopeless:
                self._waiting[kind] = line  # at the end: the other kinds' turn comes first
                return found.until
            self._hand(line.popleft(), None if isinstance(found, Wait) else found)
        return None

    def _enter(self, request: Request, route: Route) -> _Waiting:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, route, loop, loop.create_future())
        self._waiting.setdefault(Kind(request.adapter, request.endpoint), deque()).append(waiting)
        return waiting

    def _leave(self, waiting: _Waiting) -> None:
        """A call that is no longer waiting: out of the queue, or its place given back."""
        with self._lock:
            kind = Kind(waiting.request.adapter, waiting.request.endpoint)
            line = self._waiting.get(kind, deque())
            if waiting in line:
                line.remove(waiting)
                if not line:
                    del self._waiting[kind]
                return
        if waiting.place.done() and not waiting.place.cancelled() and waiting.place.exception() is None:
            self._return(waiting.place.result())

    def _hand(self, waiting: _Waiting, endpoint: Endpoint | None) -> None:
        if waiting.loop is _running_loop():
            self._settle(waiting, endpoint)
            return
        try:
            waiting.loop.call_soon_threadsafe(self._settle, waiting, endpoint)
        except RuntimeError:  # its loop was closed while it waited
            self._return(endpoint)

    def _settle(self, waiting: _Waiting, endpoint: Endpoint | None) -> None:
        if waiting.place.done():
            self._return(endpoint)
        else:
            waiting.place.set_result(endpoint)

    def _return(self, endpoint: Endpoint | None) -> None:
        if endpoint is not None:
            self._give_back(endpoint)

    def _expire(self, waiting: _Waiting) -> None:
        self._leave(waiting)
        if not waiting.place.done():
            message = f"no server had a free place for {waiting.request.adapter} in time"
            waiting.place.set_exception(TransientError(message, overload=True))

    def _set_alarm(self, moment: float | None) -> None:
        """Serve again at `moment`, by the clock of the loop that runs here."""
        if self._alarm is not None and (moment is None or self._alarm[0] != moment):
            self._alarm[1].cancel()
            self._alarm = None
        if moment is not None and self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = (moment, loop.call_later(max(0.0, moment - time.monotonic()), self._ring))

    def _ring(self) -> None:
        self._alarm = None
        self.serve()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
