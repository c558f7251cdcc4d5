"""Lines of waiting calls: no slot is lost or doubled, no call is forgotten, kinds take turns, cost is linear."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.inference.backend import InferenceSettings, Route
from agents.inference.errors import OutOfTimeError, ServerLostError
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.limits import AdaptiveLimit
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.slots import CallKind, Slot, Slots

ADAPTERS = {f"adapter-{number}" for number in range(50)} | {"a", "b", "c"}


class CountedSlots(Slots):
    """Slots at servers that are never asked; each has the given number of slots and serves every adapter."""

    def __init__(self, **sizes: int) -> None:
        super().__init__(EndpointRegistry([f"http://{name}/v1" for name in sizes], InferenceSettings()))
        self.servers = dict(zip(sizes, self.registry.endpoints, strict=True))
        self.sizes = sizes
        self.found = 0
        self.refreshed = 0
        for name in sizes:
            self.serve(name, ADAPTERS)
        self.registry.refresh = self.count_refresh  # type: ignore[method-assign]

    async def count_refresh(self) -> None:
        self.refreshed += 1

    def serve(self, name: str, adapters: set[str]) -> None:
        endpoint = self.servers[name]
        endpoint.limit = AdaptiveLimit(self.sizes[name], math.inf)
        endpoint.answered(ServedModel(adapter, "base") for adapter in adapters)

    def set_up(self, name: str, up: bool) -> None:
        with self.registry.lock:
            self.servers[name].up = up
            self.hand_out()

    def open_at(self, moment: float) -> None:
        for endpoint in self.servers.values():
            endpoint.rest_until = moment

    def _find(self, kind: CallKind, route: Route) -> Slot | object:  # type: ignore[override]
        self.found += 1
        found = super()._find(kind, route)
        if isinstance(found, Slot):
            assert found.endpoint.pending <= found.endpoint.limit.value, "a slot was handed out twice"
        return found

    def release(self, slot: Slot, *, succeeded: bool = False) -> None:
        """A call ends; where it `succeeded`, only its server has changed."""
        self.give_back(slot, time.monotonic(), None if succeeded else asyncio.CancelledError())

    @property
    def all_free(self) -> bool:
        return not any(endpoint.pending for endpoint in self.servers.values()) and not self._lines


def until(seconds: float = math.inf) -> Route:
    return Route(until=time.monotonic() + seconds)


def kind_of(adapter: str = "a", pinned: str | None = None) -> CallKind:
    return adapter, pinned


async def take(slots: Slots, adapter: str = "a", seconds: float = math.inf) -> Slot:
    return await slots.take(kind_of(adapter), until(seconds))


async def waiting_calls(slots: Slots, adapters: Sequence[str]) -> list[asyncio.Task[Slot]]:
    """Calls that wait, in this order."""
    tasks = []
    for adapter in adapters:
        tasks.append(asyncio.create_task(take(slots, adapter)))
        await asyncio.sleep(0)
    return tasks


class TestOrder:
    async def test_take_now_gives_a_free_slot_at_once(self) -> None:
        slots = CountedSlots(left=1)
        found = slots.take_now(kind_of(), until())
        assert found is not None
        assert found.endpoint is slots.servers["left"]
        assert slots.take_now(kind_of(), until()) is None

    async def test_calls_of_one_kind_are_served_in_order(self) -> None:
        slots, order = CountedSlots(left=1), []
        first = await take(slots)

        async def call(number: int) -> None:
            slot = await take(slots)
            order.append(number)
            slots.release(slot)

        calls = [asyncio.create_task(call(number)) for number in range(5)]
        await asyncio.sleep(0)
        slots.release(first)
        await asyncio.gather(*calls)
        assert order == list(range(5))
        assert slots.all_free

    @pytest.mark.parametrize("succeeded", [False, True])
    async def test_kinds_take_turns_however_many_calls_one_has(self, succeeded: bool) -> None:
        slots, order = CountedSlots(left=1), []
        first = await take(slots)

        async def call(adapter: str) -> None:
            slot = await take(slots, adapter)
            order.append(adapter)
            slots.release(slot, succeeded=succeeded)

        calls = [asyncio.create_task(call(adapter)) for adapter in "aaaabbc"]
        await asyncio.sleep(0)
        slots.release(first, succeeded=succeeded)
        await asyncio.gather(*calls)
        assert "".join(order) == "abcabaa"

    async def test_many_free_slots_are_handed_out_in_turns(self) -> None:
        slots = CountedSlots(left=4)
        for _ in range(4):
            await take(slots)
        tasks = await waiting_calls(slots, "aaaab")
        with slots.registry.lock:
            slots.servers["left"].pending = 0
            slots.hand_out()
        await asyncio.sleep(0.01)
        assert [task.done() for task in tasks] == [True, True, True, False, True]
        slots.release(tasks[0].result())
        await asyncio.gather(*tasks)

    async def test_a_blocked_kind_does_not_block_others(self) -> None:
        slots = CountedSlots(left=1, right=1)
        slots.serve("left", {"a"})
        slots.serve("right", {"b"})
        first = await take(slots, "a")
        assert first.endpoint is slots.servers["left"]
        waiting = asyncio.create_task(take(slots, "a"))
        await asyncio.sleep(0)
        assert (await take(slots, "b")).endpoint is slots.servers["right"]
        slots.release(first)
        assert (await waiting).endpoint is slots.servers["left"]

    async def test_a_pinned_call_waits_in_a_line_of_its_own(self) -> None:
        slots = CountedSlots(left=1)
        first = await take(slots)
        pinned = asyncio.create_task(slots.take(kind_of("a", "http://left/v1"), until()))
        await asyncio.sleep(0)
        assert list(slots._lines) == [kind_of("a", "http://left/v1")]
        slots.release(first)
        assert (await pinned).endpoint is slots.servers["left"]


class TestEnds:
    async def test_a_call_that_waits_too_long_fails_and_holds_nothing(self) -> None:
        slots = CountedSlots(left=1)
        first = await take(slots)
        with pytest.raises(OutOfTimeError, match="no server had a free slot for a in time"):
            await take(slots, seconds=0.02)
        slots.release(first)
        assert slots.all_free

    async def test_waiting_calls_look_again_when_the_last_server_goes(self) -> None:
        slots = CountedSlots(left=1)
        first = await take(slots)
        tasks = await waiting_calls(slots, "aab")
        slots.servers["left"].up = False
        slots.release(first)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [ServerLostError] * 3
        assert slots.refreshed == 3
        with pytest.raises(ServerLostError):
            await take(slots)

    async def test_a_slot_handed_to_a_cancelled_call_goes_to_the_next(self) -> None:
        slots = CountedSlots(left=1)
        held = await take(slots)
        first, second = await waiting_calls(slots, "aa")
        slots.release(held)  # handed to the first, which has not woken yet
        first.cancel()
        slots.release(await second)
        assert slots.all_free

    async def test_a_call_keeps_a_slot_that_comes_as_its_time_ends(self) -> None:
        slots = CountedSlots(left=1)
        held = await take(slots)
        waiting = asyncio.create_task(take(slots, seconds=0.02))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, slots.release, held)
        loop.call_soon(time.sleep, 0.05)  # both moments pass before the loop turns
        assert (await waiting).endpoint.pending == 1

    async def test_a_slot_that_time_frees_is_handed_out_then(self) -> None:
        slots, opens = CountedSlots(left=2), time.monotonic() + 0.05
        slots.open_at(opens)
        tasks = await waiting_calls(slots, "ab")
        assert len(await asyncio.gather(*tasks)) == 2
        assert 0 <= time.monotonic() - opens < 5

    async def test_an_earlier_moment_replaces_a_later_one(self) -> None:
        slots = CountedSlots(left=1)
        slots.open_at(time.monotonic() + 30)
        [task] = await waiting_calls(slots, "a")
        slots.open_at(time.monotonic() + 0.02)
        slots.hand_out()
        await asyncio.wait_for(task, 5)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "hurry", "release", "succeed", "cancel", "sleep", "down", "back"]), st.integers(0)
    ),
    max_size=60,
)


class TestAnySequence:
    @settings(deadline=None, max_examples=150)
    @given(steps=STEPS, size=st.integers(1, 3))
    def test_no_slot_is_lost_and_no_call_waits_beside_a_free_one(self, steps: list[tuple[str, int]], size: int) -> None:
        asyncio.run(_play(steps, size))

    @pytest.mark.parametrize("seed", range(3))
    def test_two_loops_in_two_threads_share_the_slots(self, seed: int) -> None:
        slots, ends = CountedSlots(left=2, right=1), list[str]()
        slots.serve("right", {"a"})
        threads = [
            threading.Thread(target=lambda n=n: ends.extend(asyncio.run(_crowd(slots, seed + n)))) for n in (0, 9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert len(ends) == 600
        assert ends.count("served") > 200
        assert slots.all_free

    def test_a_loop_that_ends_takes_no_alarm_of_others_with_it(self) -> None:
        """As a notebook that calls `asyncio.run` twice, and the first call is in vain."""
        slots = CountedSlots(left=1)
        slots.open_at(time.monotonic() + 0.4)

        async def in_vain() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(take(slots), 0.05)

        asyncio.run(in_vain())
        assert asyncio.run(asyncio.wait_for(take(slots), 5)).endpoint is slots.servers["left"]

    def test_the_loop_that_rang_for_both_may_end_first(self) -> None:
        slots, got = CountedSlots(left=1), []
        slots.open_at(time.monotonic() + 0.3)
        second_waits = threading.Event()

        async def first() -> None:
            task = asyncio.create_task(take(slots))
            await asyncio.sleep(0)
            await asyncio.to_thread(second_waits.wait)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        async def second() -> None:
            task = asyncio.create_task(take(slots))
            await asyncio.sleep(0.05)
            second_waits.set()
            got.append(await asyncio.wait_for(task, 5))

        threads = [threading.Thread(target=asyncio.run, args=(work(),)) for work in (first, second)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        for thread in threads:
            thread.join()
        assert [slot.endpoint for slot in got] == [slots.servers["left"]]


async def _play(steps: list[tuple[str, int]], size: int) -> None:
    """Play `steps`, then let every call end."""
    slots, held, tasks = CountedSlots(left=size, right=1), list[Slot](), list[asyncio.Task[None]]()
    slots.serve("right", {"b"})

    async def call(adapter: str, seconds: float) -> None:
        held.append(await take(slots, adapter, seconds))

    for step, number in steps:
        if step in ("take", "hurry"):
            tasks.append(asyncio.create_task(call("ab"[number % 2], 0.001 if step == "hurry" else math.inf)))
        elif step in ("release", "succeed") and held:
            slots.release(held.pop(number % len(held)), succeeded=step == "succeed")
        elif step == "cancel" and tasks:
            tasks[number % len(tasks)].cancel()
        elif step == "down":
            slots.set_up(("left", "right")[number % 2], up=False)
        elif step == "back":
            for name in slots.servers:
                slots.set_up(name, up=True)
        elif step == "sleep":
            await asyncio.sleep((0, 0, 0, 0.002)[number % 4])
    await _settle()
    for kind in slots._lines:  # a call that still waits has no slot to use
        assert not any(endpoint.free(time.monotonic()) for endpoint in slots.registry.able(*kind))
    while held or slots._lines:
        assert held, "calls wait, and no call is under way that could wake them"
        slots.release(held.pop())
        await _settle()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(
        end is None or isinstance(end, asyncio.CancelledError | OutOfTimeError | ServerLostError) for end in ends
    )
    assert slots.all_free


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _crowd(slots: CountedSlots, seed: int) -> list[str]:
    """How each of 300 calls ended, some of them cancelled or in a hurry."""
    rng = random.Random(seed)

    async def call(adapter: str, seconds: float) -> str:
        try:
            slot = await take(slots, adapter, seconds)
        except OutOfTimeError:
            return "out of time"
        try:
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
            return "served"
        finally:
            slots.release(slot, succeeded=rng.random() < 0.5)

    tasks = [asyncio.create_task(call(rng.choice("ab"), rng.choice((math.inf, 0.2)))) for _ in range(300)]
    for task in rng.sample(tasks, 40):
        await asyncio.sleep(0)
        task.cancel()
    return [end if isinstance(end, str) else repr(end) for end in await asyncio.gather(*tasks, return_exceptions=True)]


class TestCost:
    @pytest.mark.parametrize("kinds", [1, 50])
    async def test_thousands_of_waiting_calls_cost_linear_work(self, kinds: int) -> None:
        found = {}
        for calls in (500, 5000):
            slots = CountedSlots(left=8)

            async def call(number: int, slots: CountedSlots = slots) -> None:
                slot = await take(slots, f"adapter-{number % kinds}")
                await asyncio.sleep(0)
                slots.release(slot, succeeded=True)

            began = time.perf_counter()
            await asyncio.gather(*(call(number) for number in range(calls)))
            found[calls] = slots.found
            assert time.perf_counter() - began < 10
            assert slots.all_free
        assert found[5000] <= 3 * 5000 + 100
        assert found[5000] <= 11 * found[500]

    async def test_leaving_a_line_in_any_order_is_linear_too(self) -> None:
        slots = CountedSlots(left=1)
        held = await take(slots)
        tasks = await waiting_calls(slots, "a" * 5000)
        began = time.perf_counter()
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert time.perf_counter() - began < 5
        slots.release(held)
        assert slots.all_free
