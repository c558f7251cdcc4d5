"""A background event loop for callers without one: CAMEL's synchronous agents, a plain script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from threading import Lock, Thread, current_thread
from typing import Any, TypeVar

Result = TypeVar("Result")


class Portal:
    """Runs coroutines in a loop in a thread of its own, which starts at the first call."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._lock = Lock()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine and wait for its result here. An interrupt here cancels it there.

        Raises:
            RuntimeError: Called from the loop itself, which would wait for itself.
            CancelledError: The portal was closed meanwhile.
        """
        if current_thread() is self._thread:
            work.close()
            raise RuntimeError("a synchronous call in the client's own event loop would never end: await it instead")
        with self._lock:
            running = asyncio.run_coroutine_threadsafe(work, self._begin())
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    async def aclose(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `last` in the background loop, then end the loop and all that runs in it, if it was started."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(last(), loop))
            loop.call_soon_threadsafe(loop.stop)

    def _begin(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            # a daemon thread: the process must be able to end although nobody closed the client
            self._thread = Thread(target=_serve, args=(self._loop,), name="society-portal", daemon=True)
            self._thread.start()
        return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_end_all())
    finally:
        loop.close()


async def _end_all() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
