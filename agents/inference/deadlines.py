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
    """The deadlines of the event loops that use it, apart from each other."""

    def __init__(self) -> None:
        self._loops: PerLoop[LoopDeadlines] = PerLoop()

    def here(self) -> LoopDeadlines:
        """Return those of the running loop."""
        return self._loops.get() or self._loops.put(LoopDeadlines())

    def within(self, seconds: float) -> Within:
        """Return a block of the running loop that raises TimeoutError where it takes longer."""
        return Within(self.here(), seconds)


class LoopDeadlines:
    """The deadlines of one event loop. The timer is left as it is where its deadline is removed, and rings for nothing.

    Only its own loop may use it. Moments are monotonic seconds.
    """

    def __init__(self) -> None:
        self._moments: dict[Expiring, float] = {}
        self._next = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Expiring, moment: float) -> None:
        """Call `expire` at a moment, unless `waiting` is removed before."""
        self._moments[waiting] = moment
        if moment < self._next:
            self._set(moment)

    def remove(self, waiting: Expiring) -> None:
        """Forget a deadline, if it has not passed."""
        self._moments.pop(waiting, None)

    def _set(self, moment: float) -> None:
        """Ring at a moment, and no more at the one set before."""
        if self._timer is not None:
            self._timer.cancel()
        self._next = moment
        delay = max(0.0, moment - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        now = time.monotonic()
        for waiting in [each for each, moment in self._moments.items() if moment <= now]:
            if self._moments.pop(waiting, None) is not None:
                waiting.expire()
        self._timer, self._next = None, math.inf
        earliest = min(self._moments.values(), default=math.inf)
        if earliest < math.inf:
            self._set(earliest)


if sys.version_info >= (3, 11):
    _cancelling, _uncancel = asyncio.Task.cancelling, asyncio.Task.uncancel
else:  # a task does not count who cancelled it

    def _cancelling(_task: asyncio.Task[Any]) -> int:
        return 0

    _uncancel = _cancelling


class Within:
    """What `asyncio.timeout` of Python 3.11 is, as a plain `with` block and without a timer of its own.

    `asyncio.wait_for` would make a task of the block, and may swallow a cancellation that comes at the same time.
    """

    __slots__ = ("_cancels", "_deadlines", "_expired", "_seconds", "_task")

    def __init__(self, deadlines: LoopDeadlines, seconds: float) -> None:
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
