"""Check in the background every server that answered once: one that is down is not asked, one that is back is.

A server that never answered is not checked, so the tier of a run does not change by surprise.
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
        """Start checking in the running loop, unless that is done already."""
        task = self._tasks.get()
        if task is None or task.done():
            # a weak reference: the task must not keep alive a client that nobody closed
            self._tasks.put(asyncio.create_task(_watch(ref(self._registry), self._interval), name="society-health"))

    async def end(self) -> None:
        """Stop checking in the running loop."""
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
