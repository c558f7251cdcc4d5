"""The health watch: a server that is gone is left alone, one that is back is used again, one never there is not."""

from __future__ import annotations

import asyncio
import gc
import time
from weakref import ref

import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.loops import PerLoop
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.health import HealthWatch
from tests.support import faults
from tests.support.faults import Fault
from tests.support.scripted_vllm import Route as Page
from tests.support.scripted_vllm import ScriptedVLLM

INTERVAL = 0.05


async def turns(registry: EndpointRegistry, up: bool) -> None:
    """Wait until the registry's first server is `up` or not."""
    ends = time.monotonic() + 5
    while registry.endpoints[0].up is not up:
        assert time.monotonic() < ends, f"the server never was {'up' if up else 'down'}"
        await asyncio.sleep(0.01)


class TestHealthWatch:
    async def test_health_watch_sees_a_server_go_down_and_come_back(self, stub: ScriptedVLLM) -> None:
        registry = EndpointRegistry((stub.url,), InferenceSettings())
        await registry.refresh()
        watch = HealthWatch(registry, INTERVAL)
        watch.begin()
        async with stub.faulty(Fault.REFUSED):
            await turns(registry, up=False)
            assert "connection refused" in registry.detail
        await turns(registry, up=True)
        assert registry.returns == 1
        await watch.end()

    async def test_an_unhealthy_server_is_marked_down(self, stub: ScriptedVLLM) -> None:
        registry = EndpointRegistry((stub.url,), InferenceSettings())
        await registry.refresh()
        async with stub.faulty(Fault.SERVER_ERROR, Page.HEALTH):  # a dead engine: the front still lists its models
            await registry.check(registry.endpoints)
            assert registry.detail == f"{stub.url} reports that it is unhealthy"
        await registry.check(registry.endpoints)
        assert registry.up

    @pytest.mark.parametrize("status", [401, 403, 404, 405])
    async def test_a_gateway_without_a_health_page_is_asked_for_models(self, stub: ScriptedVLLM, status: int) -> None:
        registry = EndpointRegistry((stub.url,), InferenceSettings())
        await registry.refresh()
        stub._standing[Page.HEALTH] = faults.status(status)
        await registry.check(registry.endpoints)
        assert registry.up
        stub.models_status = 500
        await registry.check(registry.endpoints)
        assert not registry.up

    async def test_a_server_that_never_answered_is_not_checked(self, stub: ScriptedVLLM) -> None:
        registry = EndpointRegistry((stub.url,), InferenceSettings())
        await stub.stop()
        await registry.refresh()
        await stub.start()
        watch = HealthWatch(registry, INTERVAL)
        watch.begin()
        await asyncio.sleep(4 * INTERVAL)
        assert not registry.up
        await watch.end()

    async def test_a_server_may_come_back_with_other_adapters(self) -> None:
        async with ScriptedVLLM(("old",)) as server:
            registry = EndpointRegistry((server.url,), InferenceSettings())
            await registry.refresh()
            async with server.faulty(Fault.REFUSED):
                await registry.check(registry.endpoints)
            server.adapters[:] = ["new"]
            await registry.check(registry.endpoints)
            assert registry.endpoints[0].served == ("base", "new")

    async def test_health_watch_begins_once_and_ends(self, stub: ScriptedVLLM) -> None:
        watch = HealthWatch(EndpointRegistry((stub.url,), InferenceSettings()), INTERVAL)
        for _ in range(5):
            watch.begin()
        watching = [task for task in asyncio.all_tasks() if task.get_name() == "society-health"]
        assert len(watching) == 1
        await watch.end()
        assert watching[0].done()
        await watch.end()

    async def test_health_watch_keeps_no_registry_alive(self, stub: ScriptedVLLM) -> None:
        registry = EndpointRegistry((stub.url,), InferenceSettings())
        watch, gone = HealthWatch(registry, INTERVAL), ref(registry)
        watch.begin()
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "society-health"]
        await asyncio.sleep(0)
        del registry, watch
        gc.collect()
        assert gone() is None
        await asyncio.wait_for(task, 5)


class TestPerLoop:
    def test_per_loop_gives_every_loop_its_own(self) -> None:
        things: PerLoop[str] = PerLoop()

        async def use(name: str) -> tuple[str | None, str | None, str | None]:
            before = things.get()
            things.put(name)
            return before, things.get(), things.pop()

        assert [asyncio.run(use(name)) for name in "ab"] == [(None, "a", "a"), (None, "b", "b")]

    def test_per_loop_drops_objects_of_closed_loops(self) -> None:
        things: PerLoop[set[int]] = PerLoop()

        async def leave() -> ref[set[int]]:
            return ref(things.put({1, 2, 3}))

        first = asyncio.run(leave())
        asyncio.run(leave())
        gc.collect()
        assert first() is None
