"""Objects of one event loop (a session, a client, a task), calls into another loop, and async work run to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One object for each event loop. Objects of closed loops are dropped when another is put in."""

    def __init__(self) -> None:
        self._things: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T | None:
        """Return the running loop's object."""
        return self._things.get(asyncio.get_running_loop())

    def put(self, thing: T) -> T:
        """Store and return `thing` as the running loop's object."""
        for loop in [loop for loop in list(self._things) if loop.is_closed()]:
            self._things.pop(loop, None)
        self._things[asyncio.get_running_loop()] = thing
        return thing

    def pop(self) -> T | None:
        """Remove and return the running loop's object."""
        return self._things.pop(asyncio.get_running_loop(), None)


def call_in(loop: asyncio.AbstractEventLoop, work: Callable[..., object], *arguments: Any) -> bool:
    """Call `work` in `loop`: at once if that is the running loop. Return False if the loop is closed."""
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


def run_blocking(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run async work to its end, in a thread of its own if this thread has a running loop (a notebook)."""
    return asyncio.run(work()) if _running_loop() is None else _run_aside(work)


def _run_aside(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run in another thread and wait; an interrupt here first cancels the work there."""
    running: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any] | None]] = Future()

    async def cancellable() -> T:
        running.set_result((asyncio.get_running_loop(), asyncio.current_task()))
        return await work()

    with ThreadPoolExecutor(1, thread_name_prefix="society-run") as pool:
        done = pool.submit(lambda: asyncio.run(cancellable()))
        try:
            return done.result()
        except KeyboardInterrupt:
            loop, task = running.result()
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)
            raise


async def gather_or_raise(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Return all results in order, or raise the first error after every call has ended."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    results = []
    for each in found:
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results
