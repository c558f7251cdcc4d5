"""Deadlines with one timer: each passes on time, none after it was removed, and a cancellation stays one."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

import pytest

from agents.inference.deadlines import Deadlines, LoopDeadlines

SHORT = 0.02


class Noted:
    """Notes when its deadline has passed."""

    def __init__(self) -> None:
        self.passed = asyncio.Event()

    def expire(self) -> None:
        self.passed.set()


def after(seconds: float) -> float:
    return time.monotonic() + seconds


async def sleep_within(deadlines: Deadlines, seconds: float, sleep: float) -> None:
    with deadlines.within(seconds):
        await asyncio.sleep(sleep)


async def test_earlier_deadline_passes_before_a_later_one() -> None:
    deadlines, late, early, never = LoopDeadlines(), Noted(), Noted(), Noted()
    deadlines.add(late, after(2 * SHORT))
    deadlines.add(early, after(SHORT))
    deadlines.add(never, after(60))
    await asyncio.wait_for(early.passed.wait(), 5)
    assert not late.passed.is_set()
    await asyncio.wait_for(late.passed.wait(), 5)
    assert not never.passed.is_set()


async def test_removed_deadline_does_not_pass() -> None:
    deadlines, removed, kept = LoopDeadlines(), Noted(), Noted()
    deadlines.add(removed, after(SHORT))
    deadlines.add(kept, after(2 * SHORT))
    deadlines.remove(removed)
    await asyncio.wait_for(kept.passed.wait(), 5)
    assert not removed.passed.is_set()


async def test_deadline_removed_by_another_that_passes_does_not_pass() -> None:
    deadlines, other = LoopDeadlines(), Noted()

    class Removing(Noted):
        def expire(self) -> None:
            deadlines.remove(other)
            super().expire()

    first, moment = Removing(), after(SHORT)
    deadlines.add(first, moment)
    deadlines.add(other, moment)
    await asyncio.wait_for(first.passed.wait(), 5)
    await asyncio.sleep(SHORT)
    assert not other.passed.is_set()


@pytest.mark.parametrize("seconds", [-1.0, 0.0, SHORT])
async def test_within_raises_timeout_error(seconds: float) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await sleep_within(Deadlines(), seconds, 60)


async def test_within_lets_quicker_work_and_errors_pass() -> None:
    deadlines = Deadlines()
    await sleep_within(deadlines, SHORT, 0)
    with pytest.raises(ValueError, match="wrong"), deadlines.within(SHORT):
        raise ValueError("wrong")
    await asyncio.sleep(2 * SHORT)


async def test_outer_within_ends_the_inner_one() -> None:
    deadlines = Deadlines()
    with pytest.raises(asyncio.TimeoutError), deadlines.within(SHORT):
        await sleep_within(deadlines, 60, 60)


def cancel_before(task: asyncio.Task[None]) -> None:
    task.cancel()


def cancel_as_it_expires(task: asyncio.Task[None]) -> None:
    time.sleep(2 * SHORT)
    asyncio.get_running_loop().call_soon(task.cancel)


counted = pytest.mark.skipif(sys.version_info < (3, 11), reason="a task of Python 3.10 counts no cancellations")


@pytest.mark.parametrize("cancel", [cancel_before, pytest.param(cancel_as_it_expires, marks=counted)])
async def test_within_keeps_a_cancellation(cancel: Callable[[asyncio.Task[None]], None]) -> None:
    task = asyncio.create_task(sleep_within(Deadlines(), SHORT, 60))
    await asyncio.sleep(0)
    cancel(task)
    with pytest.raises(asyncio.CancelledError):
        await task


def test_each_event_loop_has_its_own_deadlines() -> None:
    deadlines = Deadlines()
    for _ in range(2):
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(sleep_within(deadlines, SHORT, 60))
