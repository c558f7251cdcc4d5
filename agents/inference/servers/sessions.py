"""Sessions of aiohttp that are closed although nobody closed the client: with their event loop, owner or process.

aiohttp prints "Unclosed client session" for each session that is forgotten. A program that takes an agent's model from
this package and never calls `aclose` must not get such lines.
"""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp


@dataclass
class _Kept:
    """A session, its loop, a generator that closes it with the loop, and what closes it with its owner."""

    session: aiohttp.ClientSession
    loop: asyncio.AbstractEventLoop
    closing: AsyncGenerator[None, None]
    finalizer: weakref.finalize[Any, Any]


_kept: dict[int, _Kept] = {}


def closed_with(owner: object, session: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Return `session`, which is closed at the latest when `owner`, the running event loop or the process ends."""
    _forget_closed()
    loop = asyncio.get_running_loop()
    finalizer = weakref.finalize(owner, _close_soon, loop, session)
    finalizer.atexit = False
    _kept[id(session)] = _Kept(session, loop, _begin(_close_at_end(session)), finalizer)
    return session


async def _close_at_end(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Wait to be closed, as `asyncio.run` closes generators before it closes the loop, and then close the session."""
    try:
        yield
    finally:
        await session.close()


def _begin(generator: AsyncGenerator[None, None]) -> AsyncGenerator[None, None]:
    """Run a generator to its first `yield`, which makes it known to the running loop."""
    with suppress(StopIteration):
        generator.__anext__().send(None)
    return generator


def _forget_closed() -> None:
    for key in [key for key, each in list(_kept.items()) if each.session.closed]:
        forgotten = _kept.pop(key, None)  # another thread, with a loop of its own, may forget it first
        if forgotten is not None:
            forgotten.finalizer.detach()


def _close_soon(loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession) -> None:
    """Close a session whose owner is gone, in its own loop where that still runs."""
    if session.closed:
        return
    if loop.is_running():
        with suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(lambda: loop.create_task(session.close()))
            return
    _close_now(session)


def _close_now(session: aiohttp.ClientSession) -> None:
    connector = session.connector
    if connector is not None:
        session.detach()
        connector._close()


@atexit.register
def _close_all() -> None:
    for each in list(_kept.values()):
        if not each.session.closed:
            _close_now(each.session)
