"""A background look at every server that answered once: one that is gone is left alone, one that is back is used again.

A server that never answered is not looked for: a run does not change hands unasked.
"""

from __future__ import annotations

import asyncio
import random
from weakref import ref

from agents.inference.loops import PerLoop
from agents.inference.servers.endpoints import EndpointRegistry


class HealthWatch:
    """Checks the servers of `registry` every `interval` seconds (jittered), in every event loop that called `begin`."""

    def __init__(self, registry: EndpointRegistry, interval: float) -> None:
        self._registry = registry
        self._interval = interval
        self._tasks: PerLoop[asyncio.Task[None]] = PerLoop()

    def begin(self) -> None:
        """Watch in the running loop from now on; once however often it is called."""
        task = self._tasks.get()
        if task is None or task.done():
            # the task must not keep a client alive that nobody closed
            self._tasks.put(asyncio.create_task(_watch(ref(self._registry), self._interval), name="society-health"))

    async def end(self) -> None:
        """Stop watching in the running loop."""
        task = self._tasks.pop()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _watch(registry_of: ref[EndpointRegistry], interval: float) -> None:
    while True:
        await asyncio.sleep(interval * random.uniform(0.8, 1.2))
        registry = registry_of()
        if registry is None:
            return
        await registry.check([endpoint for endpoint in registry.endpoints if endpoint.models])
        del registry
