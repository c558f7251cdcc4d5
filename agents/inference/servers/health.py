"""A background look at every server that answered once: one that is gone is left alone, one that is back is used again.

A server that never answered is not looked for: a run does not change hands unasked.
"""

from __future__ import annotations

import asyncio
import random
from weakref import ref

from agents.inference.loops import PerLoop
from agents.inference.servers.endpoints import EndpointPool


class HealthWatch:
    """Looks at the servers of `pool` every `interval` seconds (jittered) for as long as an event loop lasts that asked
    for it with `begin`, and is not told to `end`."""

    def __init__(self, pool: EndpointPool, interval: float) -> None:
        self._pool = pool
        self._interval = interval
        self._tasks: PerLoop[asyncio.Task[None]] = PerLoop()

    def begin(self) -> None:
        """Watch in the running loop from now on; once however often it is called."""
        task = self._tasks.get()
        if task is None or task.done():
            # the task must not keep a client alive that nobody closed
            self._tasks.put(asyncio.create_task(_watch(ref(self._pool), self._interval), name="society-health"))

    async def end(self) -> None:
        """Stop watching in the running loop."""
        task = self._tasks.pop()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _watch(pool_of: ref[EndpointPool], interval: float) -> None:
    while True:
        await asyncio.sleep(interval * random.uniform(0.8, 1.2))
        pool = pool_of()
        if pool is None:
            return
        await pool.check([endpoint for endpoint in pool.endpoints if endpoint.models])
        del pool
