"""Slots at servers: every call in flight takes one, and a call waits while no server has one free.

    async with slots.lease(request, route) as endpoint: ...   # one call in flight

A lease picks one of the servers that serve the adapter. When the call ends, its server learns from the outcome (the
circuit breaker, the adaptive limit, the rest after a Retry-After), and the slot goes to one waiting call that can use
it, so that a thousand waiting calls do not wake each other up. Calls of one kind (adapter and pinned server) are served
in the order they came; the kinds take turns. Calls may come from several event loops and threads.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.backend import Route
from agents.inference.deadlines import Deadlines
from agents.inference.errors import (
    InferenceError,
    OutOfTimeError,
    PermanentError,
    RefusedAdapterError,
    TransientError,
    UnknownAdapterError,
)
from agents.inference.fault import Fault
from agents.inference.loops import call_in
from agents.inference.provenance import Request
from agents.inference.servers.balancing import Balancing, pick
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.endpoints import EndpointRegistry, pinned_url

if TYPE_CHECKING:
    from types import TracebackType


CallKind = tuple[str, str | None]
"""Calls that the same servers can take: to one adapter, and pinned to one server's URL or to none."""


class Slot(NamedTuple):
    """Room for one call to `adapter` at a server; `probe` is the number that its circuit breaker gave the call."""

    endpoint: Endpoint
    adapter: str
    probe: int = 0


class _Blocked(NamedTuple):
    """Why no slot is free: `hopeless` where waiting is useless; `until` (monotonic seconds) is when one may be free,
    infinite where that depends on a call in flight."""

    hopeless: bool
    until: float


@dataclass(eq=False, slots=True)
class _Waiting:
    """A call in a line. Its `slot` resolves to None where no server is left that could take the call."""

    slots: Slots
    kind: CallKind
    route: Route
    loop: asyncio.AbstractEventLoop
    slot: asyncio.Future[Slot | None]

    def expire(self) -> None:
        """Leave the line: the route's time is over."""
        self.slots.expire(self)


class Slots:
    """The slots at the servers of one `registry`; the registry's lock guards them."""

    def __init__(self, registry: EndpointRegistry) -> None:
        self.registry = registry
        self.settings = registry.settings
        self._policy = self.settings.balancing or Balancing.LEAST_PENDING
        self._rng = random.Random()
        self._lock = registry.lock
        self._lines: dict[CallKind, OrderedDict[_Waiting, None]] = {}
        self._next_moment = math.inf
        self._alarms: dict[asyncio.AbstractEventLoop, float] = {}
        self.deadlines = Deadlines()
        registry.on_change = self.hand_out

    def lease(self, request: Request, route: Route) -> Lease:
        """Return a context manager that holds a slot; entering it returns the endpoint.

        Raises:
            UnknownAdapterError: Servers answer, and none has the adapter.
            ServerLostError: No server answers.
            TransientError: No server will have a slot that is worth waiting for.
            OutOfTimeError: No slot was free before `route.until`.
        """
        return Lease(self, request, route)

    # -- taking a slot ------------------------------------------------------------------------------------

    def take_now(self, kind: CallKind, route: Route) -> Slot | None:
        """Take a slot, if one is free at once and no call of this kind waits."""
        with self._lock:
            found = None if kind in self._lines else self._find(kind, route)
        return None if isinstance(found, _Blocked) else found

    async def take(self, kind: CallKind, route: Route) -> Slot:
        """Take a slot, and wait for one until `route.until`.

        Raises:
            InferenceError: As `lease`.
        """
        refreshed = False
        while True:
            slot = await self._wait(kind, route)
            if slot is not None:
                return slot
            able = self.registry.able(*kind)
            if not able and refreshed:
                raise self.registry.why_none(kind[0], pinned=kind[1])
            if not able:
                await self.registry.refresh()
                refreshed = True
            elif futile := self._futile(able, kind[0], route, time.monotonic()):
                whole = any(each.breaker.openings for each in able)
                raise TransientError(futile, overload=True, fault=Fault.SERVER if whole else Fault.ADAPTER)

    def _find(self, kind: CallKind, route: Route) -> Slot | _Blocked:
        """Take a slot, or return why none is free. The caller has the lock."""
        now, able = time.monotonic(), self.registry.able(*kind)
        free = [each for each in able if each.free(now, kind[0])]
        untried = ([each for each in free if each.url not in route.avoid] or free) if route.avoid else free
        if untried:
            return _taken(pick(self._policy, untried, kind[0], self._rng, self.settings.replicas), kind[0])
        moments = [moment for each in able if (moment := each.free_at(now, kind[0])) is not None]
        return _Blocked(not able or bool(self._futile(able, kind[0], route, now)), min(moments, default=math.inf))

    def _futile(self, able: Sequence[Endpoint], adapter: str, route: Route, now: float) -> str:
        """Return why waiting for any of `able` is useless; an empty text if it may help."""
        urls = ", ".join(endpoint.url for endpoint in able)
        patience = self.settings.retries + 1
        if all(each.given_up(now, adapter, patience) for each in able):
            return f"{urls}: calls to {adapter} keep failing, also after pauses"
        if all(each.rest_until > max(now, min(route.until, now + self.settings.timeout)) for each in able):
            return f"{urls}: every server sent a Retry-After longer than the call may take"
        return ""

    async def _wait(self, kind: CallKind, route: Route) -> Slot | None:
        """Wait for a slot; None if the caller must look again at which servers there are. Raises OutOfTimeError."""
        with self._lock:
            if kind not in self._lines:
                found = self._find(kind, route)
                if isinstance(found, Slot):
                    return found
                if found.hopeless:
                    return None
                self._next_moment = min(self._next_moment, found.until)
            waiting = self._enter(kind, route)
        deadlines = self.deadlines.here()
        deadlines.add(waiting, route.until)
        try:
            return await waiting.slot
        except asyncio.CancelledError:
            self._leave(waiting)
            raise
        finally:
            deadlines.remove(waiting)

    # -- giving it back -----------------------------------------------------------------------------------

    def give_back(self, slot: Slot, began: float, error: BaseException | None) -> None:
        """End a call that was sent at `began` (monotonic seconds): its server learns, and the slot is free again.

        An `error` that is no InferenceError (the call was cancelled, or never sent) says nothing about the server.
        """
        endpoint, now = slot.endpoint, time.monotonic()
        with self._lock:
            if error is None:
                endpoint.succeeded(began, now, slot.adapter)
            elif isinstance(error, InferenceError):
                endpoint.failed(error, began, now, slot.probe, slot.adapter)
            else:
                endpoint.breaker.abandoned(slot.probe)
            endpoint.pending -= 1
            if self._lines or self._alarms:
                self.hand_out(endpoint if error is None else None)

    def hand_out(self, only: Endpoint | None = None) -> None:
        """Hand every free slot to a waiting call, and wake the calls that no server is left for.

        With `only`, nothing but this endpoint has changed: just the kinds of calls that it can take are looked at.
        """
        with self._lock:
            if not self._lines:
                self._alarms.clear()
            elif only is not None and only.up and len(self.registry.endpoints) == 1:
                self._hand_out_at(only)
            else:
                self._hand_out_all(only)

    def _hand_out_at(self, server: Endpoint) -> None:
        """Hand the free slots of the only server that there is to waiting calls. The caller has the lock."""
        handed: list[tuple[_Waiting, Slot]] = []
        now, turns = time.monotonic(), deque(self._lines)
        while turns and not server.full:
            kind = turns.popleft()
            if server.free(now, kind[0]) and server.serves(kind[0]) and server.takes(kind[1]):
                handed.append((next(iter(self._lines[kind])), _taken(server, kind[0])))
                if self._step(kind):
                    turns.append(kind)
        for waiting, slot in handed:  # last: a slot that comes back is handed out again
            self._hand(waiting, slot)

    def _hand_out_all(self, only: Endpoint | None) -> None:
        """Hand out slots of several servers, or where a server may have gone down. The caller has the lock."""
        handed: list[tuple[_Waiting, Slot | None]] = []
        moment = math.inf if only is None else self._next_moment
        now = time.monotonic()
        turns = deque(self._lines)
        while turns:
            kind = turns.popleft()
            if only is not None and not (only.free(now, kind[0]) and only.serves(kind[0]) and only.takes(kind[1])):
                continue
            waiting = next(iter(self._lines[kind]))
            found = self._find(kind, waiting.route)
            if isinstance(found, _Blocked) and not found.hopeless:
                moment = min(moment, found.until)
                continue
            if self._step(kind):
                turns.append(kind)
            handed.append((waiting, None if isinstance(found, _Blocked) else found))
            if only is not None and only.full:
                break
        self._next_moment = moment
        self._set_alarms()
        for waiting, slot in handed:  # last: a slot that comes back is handed out again
            self._hand(waiting, slot)

    # -- lines of waiting calls ---------------------------------------------------------------------------

    def _step(self, kind: CallKind) -> bool:
        """Remove the first call of a line and put the line behind the others; True while it has calls left."""
        line = self._lines.pop(kind)
        line.popitem(last=False)
        if line:
            self._lines[kind] = line
        return bool(line)

    def _enter(self, kind: CallKind, route: Route) -> _Waiting:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(self, kind, route, loop, loop.create_future())
        if kind not in self._lines:
            self._lines[kind] = OrderedDict()
        self._lines[kind][waiting] = None
        self._alarms.setdefault(loop, math.inf)
        self._set_alarms()
        return waiting

    def _leave(self, waiting: _Waiting) -> None:
        """End a waiting call that was cancelled: it leaves its line, or gives back the slot it was handed."""
        slot = waiting.slot
        if not self._withdraw(waiting) and slot.done() and not slot.cancelled() and slot.exception() is None:
            self._unused(slot.result())

    def _withdraw(self, waiting: _Waiting) -> bool:
        """Take a call out of its line; False if it is no longer there, because it was handed a slot."""
        with self._lock:
            line = self._lines.get(waiting.kind)
            if line is None or waiting not in line:
                return False
            del line[waiting]
            if not line:
                del self._lines[waiting.kind]
            return True

    def _hand(self, waiting: _Waiting, slot: Slot | None) -> None:
        if not call_in(waiting.loop, self._settle, waiting, slot):
            self._unused(slot)

    def _settle(self, waiting: _Waiting, slot: Slot | None) -> None:
        if waiting.slot.done():
            self._unused(slot)
        else:
            waiting.slot.set_result(slot)

    def _unused(self, slot: Slot | None) -> None:
        if slot is not None:
            self.give_back(slot, 0.0, asyncio.CancelledError())

    def expire(self, waiting: _Waiting) -> None:
        """Let a waiting call fail, because its time is over."""
        self._withdraw(waiting)
        if not waiting.slot.done():  # else it has a slot, although it did not wake up yet
            message = f"no server had a free slot for {waiting.kind[0]} in time"
            waiting.slot.set_exception(OutOfTimeError(message))

    # -- slots that only time frees -----------------------------------------------------------------------

    def _set_alarms(self) -> None:
        """Make every loop with waiting calls hand out slots at the next moment: any loop may end before the others."""
        if self._next_moment == math.inf:
            return
        for loop, moment in list(self._alarms.items()):
            if self._next_moment < moment:
                self._alarms[loop] = self._next_moment
                if not call_in(loop, self._ring_at, loop, self._next_moment):
                    del self._alarms[loop]

    def _ring_at(self, loop: asyncio.AbstractEventLoop, moment: float) -> None:
        loop.call_later(max(0.0, moment - time.monotonic()), self._ring, loop, moment)

    def _ring(self, loop: asyncio.AbstractEventLoop, moment: float) -> None:
        with self._lock:
            if self._alarms.get(loop) == moment:
                self._alarms[loop] = math.inf
            self.hand_out()


def _taken(endpoint: Endpoint, adapter: str) -> Slot:
    """Take a slot that is free."""
    endpoint.pending += 1
    return Slot(endpoint, adapter, endpoint.breaker.begin())


class Lease:
    """A slot at a server for as long as the block takes (`Slots.lease`)."""

    __slots__ = ("_began", "_kind", "_route", "_slot", "_slots")

    def __init__(self, slots: Slots, request: Request, route: Route) -> None:
        self._slots = slots
        self._kind = (request.adapter, pinned_url(request))
        self._route = route

    async def __aenter__(self) -> Endpoint:
        asked = time.monotonic()
        try:
            now = self._slots.take_now(self._kind, self._route)
            self._slot = now or await self._slots.take(self._kind, self._route)
            self._route.taken = self._slot.endpoint.url
        finally:
            self._began = time.monotonic()
            self._route.waited = self._began - asked
        return self._slot.endpoint

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            self._slots.give_back(self._slot, self._began, None)
            return
        endpoint, adapter = self._slot.endpoint, self._kind[0]
        if isinstance(error, InferenceError):
            error.endpoint = endpoint.url
        if isinstance(error, UnknownAdapterError):
            endpoint.forget(adapter)
        self._slots.give_back(self._slot, self._began, error)
        if isinstance(error, PermanentError) and error.fault is Fault.SERVER:
            able = self._slots.registry.able(*self._kind)
            if any(each is not endpoint and each.url not in self._route.avoid for each in able):
                moved = TransientError(str(error), fault=Fault.SERVER)
                moved.endpoint = endpoint.url
                raise moved from error
        if isinstance(error, UnknownAdapterError) and self._slots.registry.able(*self._kind):
            refused = isinstance(error, RefusedAdapterError)
            gone = f"{error}" if refused else f"{endpoint.url} no longer serves {adapter!r}"
            moved = TransientError(f"{gone}; another server does", fault=Fault.ADAPTER)
            moved.endpoint = endpoint.url
            raise moved from error
