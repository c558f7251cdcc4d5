"""Calls that wait for a free place at a server, over event loops and threads.

`take` returns at once where there is a place. A place that becomes free is handed to a waiting call that can use it, so
that a thousand waiting calls do not wake each other up. Calls of one kind (adapter and pinned endpoint) are served in
the order they came, the kinds in turn.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from agents.inference.errors import OutOfTimeError

if TYPE_CHECKING:
    from agents.inference.backend import Route
    from agents.inference.provenance import Request

P = TypeVar("P")


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
class _Waiting(Generic[P]):
    request: Request
    route: Route
    loop: asyncio.AbstractEventLoop
    place: asyncio.Future[P | None]


_Line = OrderedDict[_Waiting[P], None]


class Queue(Generic[P]):
    """`place` finds a place and takes it, or says what keeps the call; `give_back` frees one that nobody used, and
    `serve`s. Both are called under `lock`; whoever else changes what `place` goes by holds it too, and `serve`s."""

    def __init__(self, place: Callable[[Request, Route], P | Wait], give_back: Callable[[P], None]) -> None:
        self._place = place
        self._give_back = give_back
        self._lines: dict[Kind, _Line[P]] = {}
        self._next_moment = math.inf
        self._alarms: dict[asyncio.AbstractEventLoop, float] = {}
        self.lock = RLock()

    def take_now(self, request: Request, route: Route) -> P | None:
        """A place that was taken, where one is free and no call like this one waits."""
        with self.lock:
            if (request.adapter, request.endpoint) in self._lines:
                return None
            found = self._place(request, route)
        return None if isinstance(found, Wait) else found

    async def take(self, request: Request, route: Route) -> P | None:
        """A place that was taken; None where the caller must look again at what servers there are.

        Raises OutOfTimeError where `route.until` passes first.
        """
        kind = Kind(request.adapter, request.endpoint)
        with self.lock:
            if kind not in self._lines:
                found = self._place(request, route)
                if not isinstance(found, Wait):
                    return found
                if found.hopeless:
                    return None
                self._next_moment = min(self._next_moment, _moment(found))
            waiting = self._enter(kind, request, route)
        expiry = waiting.loop.call_later(max(0.0, route.until - time.monotonic()), self._expire, waiting)
        try:
            return await waiting.place
        except asyncio.CancelledError:
            self._leave(waiting)
            raise
        finally:
            expiry.cancel()

    def serve(self, concerns: Callable[[Kind], bool] | None = None) -> None:
        """Hand out every place that is free, and wake the calls that no server is left for.

        `concerns` tells the kinds of calls that what has changed can be of use to: only those are looked at.
        """
        with self.lock:
            if not self._lines:
                self._alarms.clear()
                return
            handed: list[tuple[_Waiting[P], P | None]] = []
            moment = math.inf if concerns is None else self._next_moment
            turns = deque(self._lines)
            while turns:
                kind = turns.popleft()
                if concerns is not None and not concerns(kind):
                    continue
                waiting = next(iter(self._lines[kind]))
                found = self._place(waiting.request, waiting.route)
                if isinstance(found, Wait) and not found.hopeless:
                    moment = min(moment, _moment(found))
                    continue
                if self._step(kind):
                    turns.append(kind)
                handed.append((waiting, None if isinstance(found, Wait) else found))
            self._next_moment = moment
            self._set_alarms()
            for waiting, place in handed:  # last: a place that comes back is served anew
                self._hand(waiting, place)

    def _step(self, kind: Kind) -> bool:
        """The first of a line is served, the other kinds' turn comes first; whether someone is left in the line."""
        line = self._lines.pop(kind)
        line.popitem(last=False)
        if line:
            self._lines[kind] = line
        return bool(line)

    def _enter(self, kind: Kind, request: Request, route: Route) -> _Waiting[P]:
        loop = asyncio.get_running_loop()
        waiting: _Waiting[P] = _Waiting(request, route, loop, loop.create_future())
        self._lines.setdefault(kind, OrderedDict())[waiting] = None
        self._alarms.setdefault(loop, math.inf)
        self._set_alarms()
        return waiting

    def _leave(self, waiting: _Waiting[P]) -> None:
        """A call was cancelled: it is out of the queue, or its place is given back."""
        place = waiting.place
        if not self._withdraw(waiting) and place.done() and not place.cancelled() and place.exception() is None:
            self._return(place.result())

    def _withdraw(self, waiting: _Waiting[P]) -> bool:
        """Take a call out of its line; False where it is there no more, for a place is on its way to it."""
        kind = Kind(waiting.request.adapter, waiting.request.endpoint)
        with self.lock:
            line = self._lines.get(kind)
            if line is None or waiting not in line:
                return False
            del line[waiting]
            if not line:
                del self._lines[kind]
            return True

    def _hand(self, waiting: _Waiting[P], place: P | None) -> None:
        if not _call_in(waiting.loop, self._settle, waiting, place):
            self._return(place)

    def _settle(self, waiting: _Waiting[P], place: P | None) -> None:
        if waiting.place.done():
            self._return(place)
        else:
            waiting.place.set_result(place)

    def _return(self, place: P | None) -> None:
        if place is not None:
            with self.lock:
                self._give_back(place)

    def _expire(self, waiting: _Waiting[P]) -> None:
        self._withdraw(waiting)
        if not waiting.place.done():  # else it has its place, though it did not wake yet
            message = f"no server had a free place for {waiting.request.adapter} in time"
            waiting.place.set_exception(OutOfTimeError(message))

    # -- places that only time frees ----------------------------------------------------------------------

    def _set_alarms(self) -> None:
        """Have every loop that calls wait in serve when a place may be free: any of them may end before the others."""
        for loop, moment in list(self._alarms.items()):
            if self._next_moment < moment:
                self._alarms[loop] = self._next_moment
                if not _call_in(loop, self._ring_at, loop, self._next_moment):
                    del self._alarms[loop]

    def _ring_at(self, loop: asyncio.AbstractEventLoop, moment: float) -> None:
        loop.call_later(max(0.0, moment - time.monotonic()), self._ring, loop, moment)

    def _ring(self, loop: asyncio.AbstractEventLoop, moment: float) -> None:
        with self.lock:
            if self._alarms.get(loop) == moment:
                self._alarms[loop] = math.inf
            self.serve()


def _moment(wait: Wait) -> float:
    return math.inf if wait.until is None else wait.until


def _call_in(loop: asyncio.AbstractEventLoop, work: Callable[..., object], *arguments: Any) -> bool:
    """Call `work` in its event loop: at once where that is the running one. False where the loop was closed."""
    if loop is _running_loop():
        work(*arguments)
        return True
    try:
        loop.call_soon_threadsafe(work, *arguments)
    except RuntimeError:
        return False
    return True


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
