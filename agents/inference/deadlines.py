"""Many deadlines in one event loop with one timer, as every call in flight has a deadline and nearly none is reached.

A timer of asyncio takes about 3 µs to set and to cancel. A deadline here takes a tenth of that: it is an entry in a
dictionary, and the only timer is set for the earliest of them.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from types import TracebackType
from typing import Any, Protocol

from agents.inference.loops import PerLoop


class Expiring(Protocol):
    """What has a deadline."""

    def expire(self) -> None:
        """Take note that the deadline has passed."""


class Deadlines:
    """The deadlines of the event loops that use it, apart from each other. Moments are monotonic seconds."""

    def __init__(self) -> None:
        self._alarms: PerLoop[_Alarm] = PerLoop()

    def add(self, waiting: Expiring, moment: float) -> None:
        """Call `expire` at a moment in the running loop, unless `waiting` is removed before."""
        alarm = self._alarms.get() or self._alarms.put(_Alarm())
        alarm.moments[waiting] = moment
        if moment < alarm.next:
            alarm.set(moment)

    def remove(self, waiting: Expiring) -> None:
        """Forget a deadline of the running loop, if it has not passed."""
        alarm = self._alarms.get()
        if alarm is not None:
            alarm.moments.pop(waiting, None)

    def within(self, seconds: float) -> Within:
        """Return a block that raises TimeoutError where it takes longer."""
        return Within(self, seconds)


class _Alarm:
    """The deadlines of one loop, and the timer for the one at `next`. A timer without a deadline rings for nothing."""

    def __init__(self) -> None:
        self.moments: dict[Expiring, float] = {}
        self.next = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, moment: float) -> None:
        """Ring at a moment, and no more at the one set before."""
        if self._timer is not None:
            self._timer.cancel()
        self.next = moment
        delay = max(0.0, moment - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        now = time.monotonic()
        for waiting in [each for each, moment in self.moments.items() if moment <= now]:
            if self.moments.pop(waiting, None) is not None:
                waiting.expire()
        self._timer, self.next = None, math.inf
        earliest = min(self.moments.values(), default=math.inf)
        if earliest < math.inf:
            self.set(earliest)


if sys.version_info >= (3, 11):
    _cancelling, _uncancel = asyncio.Task.cancelling, asyncio.Task.uncancel
else:  # a task does not count who cancelled it

    def _cancelling(_task: asyncio.Task[Any]) -> int:
        return 0

    _uncancel = _cancelling


class Within:
    """What `asyncio.timeout` is, as a plain `with` block and without a timer of its own."""

    __slots__ = ("_cancels", "_deadlines", "_expired", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines, self._seconds = deadlines, seconds
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "there is no task to cancel"
        self._task, self._cancels = task, _cancelling(task)
        self._deadlines.add(self, time.monotonic() + self._seconds)

    def expire(self) -> None:
        """Cancel the task; `__exit__` makes a TimeoutError of that."""
        self._expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._deadlines.remove(self)
        if self._expired and _uncancel(self._task) <= self._cancels and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError from error
