"""Objects that belong to one event loop (a session, a client, a task), and calls from one loop into another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
