"""The queue: no place is leaked or handed out twice, no call is forgotten, kinds take turns, cost is linear."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.inference.backend import Route
from agents.inference.errors import OutOfTimeError
from agents.inference.provenance import Request
from agents.inference.servers.queue import Kind, Queue, Wait
from tests.agents.inference.conftest import make_request


class Places:
    """A pool of one kind of place a server; `serves` names which adapters may use which of them."""

    def __init__(self, **free: int) -> None:
        self.queue: Queue[str] = Queue(self.place, self.give_back)
        self.free = Counter(free)
        self.total = dict(free)
        self.serves: dict[str, set[str]] = {}
        self.gone: set[str] = set()
        self.opens_at = 0.0
        self.out: Counter[str] = Counter()
        self.looked = 0

    def place(self, request: Request, _route: Route) -> str | Wait:
        self.looked += 1
        able = [name for name in self.total if name not in self.gone and self.allows(name, request.adapter)]
        if time.monotonic() < self.opens_at:
            return Wait(not able, self.opens_at)
        for name in able:
            if self.free[name]:
                self.free[name] -= 1
                self.out[name] += 1
                assert self.out[name] <= self.total[name], "a place was handed out twice"
                return name
        return Wait(hopeless=not able)

    def allows(self, name: str, adapter: str) -> bool:
        return adapter in self.serves.get(name, {adapter})

    def give_back(self, name: str) -> None:
        self.free[name] += 1
        self.out[name] -= 1
        self.queue.serve()

    def release(self, name: str, *, told: bool = False) -> None:
        """A call ends; `told` says that only this server has changed."""
        with self.queue.lock:
            self.free[name] += 1
            self.out[name] -= 1
            concerns = (lambda kind: self.free[name] > 0 and self.allows(name, kind.adapter)) if told else None
            self.queue.serve(concerns)

    @property
    def whole(self) -> bool:
        return self.free == Counter(self.total) and not any(self.out.values()) and not self.queue._lines


def until(seconds: float = math.inf) -> Route:
    return Route(until=time.monotonic() + seconds)


async def take(places: Places, adapter: str = "a", seconds: float = math.inf) -> str | None:
    return await places.queue.take(make_request(adapter), until(seconds))


async def entered(places: Places, adapters: Sequence[str]) -> list[asyncio.Task[str | None]]:
    """Calls that wait, in this order."""
    tasks = []
    for adapter in adapters:
        tasks.append(asyncio.create_task(take(places, adapter)))
        await asyncio.sleep(0)
    return tasks


class TestOrder:
    async def test_a_free_place_is_had_at_once(self) -> None:
        places = Places(left=1)
        assert places.queue.take_now(make_request(), until()) == "left"
        assert places.queue.take_now(make_request(), until()) is None

    async def test_calls_of_a_kind_are_served_in_the_order_they_came(self) -> None:
        places, order = Places(left=1), []
        await take(places)

        async def call(number: int) -> None:
            order.append((number, await take(places)))
            places.release("left")

        calls = [asyncio.create_task(call(number)) for number in range(5)]
        await asyncio.sleep(0)
        places.release("left")
        await asyncio.gather(*calls)
        assert [number for number, _ in order] == list(range(5))
        assert places.whole

    @pytest.mark.parametrize("told", [False, True])
    async def test_kinds_take_turns_however_many_calls_one_has(self, told: bool) -> None:
        places, order = Places(left=1), []
        await take(places)

        async def call(adapter: str) -> None:
            await take(places, adapter)
            order.append(adapter)
            places.release("left", told=told)

        calls = [asyncio.create_task(call(adapter)) for adapter in "aaaabbc"]
        await asyncio.sleep(0)
        places.release("left", told=told)
        await asyncio.gather(*calls)
        assert "".join(order) == "abcabaa"

    async def test_many_places_at_once_are_dealt_in_turns(self) -> None:
        places = Places(left=4)
        places.gone.add("right")
        held = [await take(places) for _ in range(4)]
        tasks = await entered(places, "aaaab")
        with places.queue.lock:
            places.free["left"], places.out["left"] = len(held), 0
            places.queue.serve()
        await asyncio.sleep(0.01)
        assert [task.done() for task in tasks] == [True, True, True, False, True]
        places.release("left")
        await asyncio.gather(*tasks)

    async def test_a_call_that_no_free_place_suits_does_not_hold_up_others(self) -> None:
        places = Places(left=1, right=1)
        places.serves = {"left": {"a"}, "right": {"b"}}
        assert await take(places, "a") == "left"
        waiting = asyncio.create_task(take(places, "a"))
        await asyncio.sleep(0)
        assert await take(places, "b") == "right"
        places.release("left")
        assert await waiting == "left"

    async def test_a_pinned_call_is_a_kind_of_its_own(self) -> None:
        places = Places(left=1)
        assert Kind("a", None) != Kind("a", "http://x")
        await take(places)
        pinned = asyncio.create_task(places.queue.take(make_request("a", endpoint="http://x"), until()))
        await asyncio.sleep(0)
        places.release("left")
        assert await pinned == "left"


class TestEnds:
    async def test_a_call_that_waits_too_long_is_told_and_holds_nothing(self) -> None:
        places = Places(left=1)
        await take(places)
        with pytest.raises(OutOfTimeError, match="no server had a free place for a in time"):
            await take(places, seconds=0.02)
        places.release("left")
        assert places.whole

    async def test_calls_that_no_server_is_left_for_look_again(self) -> None:
        places = Places(left=1)
        await take(places)
        tasks = await entered(places, "aab")
        places.gone.add("left")
        places.release("left")
        assert await asyncio.gather(*tasks) == [None, None, None]
        assert await take(places) is None

    async def test_a_place_handed_to_a_call_that_is_cancelled_goes_to_the_next(self) -> None:
        places = Places(left=1)
        await take(places)
        first, second = await entered(places, "aa")
        places.release("left")  # handed to the first, which has not woken yet
        first.cancel()
        assert await second == "left"
        places.release("left")
        assert places.whole

    async def test_a_call_whose_time_is_over_as_it_gets_its_place_keeps_it(self) -> None:
        places = Places(left=1)
        await take(places)
        waiting = asyncio.create_task(take(places, seconds=0.02))
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, places.release, "left")
        loop.call_soon(time.sleep, 0.05)  # both moments pass before the loop turns
        assert await waiting == "left"
        assert places.out == {"left": 1}

    async def test_a_place_that_time_frees_is_handed_out_then(self) -> None:
        places = Places(left=2)
        places.opens_at = time.monotonic() + 0.05
        tasks = await entered(places, "ab")
        assert await asyncio.gather(*tasks) == ["left", "left"]
        assert 0 <= time.monotonic() - places.opens_at < 0.5

    async def test_an_earlier_moment_replaces_a_later_one(self) -> None:
        places = Places(left=1)
        places.opens_at = time.monotonic() + 30
        [task] = await entered(places, "a")
        places.opens_at = time.monotonic() + 0.02
        places.queue.serve()
        assert await asyncio.wait_for(task, 5) == "left"


STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "brief", "release", "told", "cancel", "sleep", "down", "back"]), st.integers(0)),
    max_size=60,
)


class TestWhateverHappens:
    @settings(deadline=None, max_examples=150)
    @given(steps=STEPS, places=st.integers(1, 3))
    def test_no_place_is_lost_or_doubled_and_nobody_waits_beside_a_free_one(
        self, steps: list[tuple[str, int]], places: int
    ) -> None:
        asyncio.run(_live(steps, places))

    @pytest.mark.parametrize("seed", range(3))
    def test_two_loops_in_two_threads_share_the_places(self, seed: int) -> None:
        places, ends = Places(left=2, right=1), list[str]()
        places.serves = {"right": {"a"}}
        threads = [
            threading.Thread(target=lambda n=n: ends.extend(asyncio.run(_crowd(places, seed + n)))) for n in (0, 9)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert len(ends) == 600
        assert Counter(ends)["served"] > 200
        assert places.whole

    def test_an_event_loop_that_ends_takes_no_alarm_of_others_with_it(self) -> None:
        """As a notebook that calls `asyncio.run` twice, the first time in vain."""
        places = Places(left=1)
        places.opens_at = time.monotonic() + 0.4

        async def in_vain() -> None:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(take(places), 0.05)

        asyncio.run(in_vain())
        assert asyncio.run(asyncio.wait_for(take(places), 5)) == "left"

    def test_the_loop_that_rang_for_both_may_end_first(self) -> None:
        places, got = Places(left=1), []
        places.opens_at = time.monotonic() + 0.3
        second_waits = threading.Event()

        async def first() -> None:
            task = asyncio.create_task(take(places))
            await asyncio.sleep(0)
            await asyncio.to_thread(second_waits.wait)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        async def second() -> None:
            task = asyncio.create_task(take(places))
            await asyncio.sleep(0.05)
            second_waits.set()
            got.append(await asyncio.wait_for(task, 5))

        threads = [threading.Thread(target=asyncio.run, args=(work(),)) for work in (first, second)]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        for thread in threads:
            thread.join()
        assert got == ["left"]


async def _live(steps: list[tuple[str, int]], count: int) -> None:
    """Play `steps`, then let everything end."""
    places, held, tasks = Places(left=count, right=1), [], []
    places.serves = {"right": {"b"}}

    async def call(adapter: str, seconds: float) -> None:
        place = await take(places, adapter, seconds)
        if place is not None:
            held.append(place)

    for step, number in steps:
        if step in ("take", "brief"):
            tasks.append(asyncio.create_task(call("ab"[number % 2], 0.001 if step == "brief" else math.inf)))
        elif step in ("release", "told") and held:
            places.release(held.pop(number % len(held)), told=step == "told")
        elif step == "cancel" and tasks:
            tasks[number % len(tasks)].cancel()
        elif step == "down":
            places.gone.add(("left", "right")[number % 2])
            places.queue.serve()
        elif step == "back":
            places.gone.clear()
            places.queue.serve()
        elif step == "sleep":
            await asyncio.sleep((0, 0, 0, 0.002)[number % 4])
    await _settle()
    for kind in places.queue._lines:  # who still waits has no place to use
        assert not any(
            places.free[name] and places.allows(name, kind.adapter) for name in {*places.total} - places.gone
        )
    while held or places.queue._lines:
        assert held, "calls wait, and no call is under way that could wake them"
        places.release(held.pop())
        await _settle()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None or isinstance(end, asyncio.CancelledError | OutOfTimeError) for end in ends)
    assert places.whole


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _crowd(places: Places, seed: int) -> list[str]:
    """How each of 300 calls ended, some of them cancelled or in a hurry."""
    rng = random.Random(seed)

    async def call(adapter: str, seconds: float) -> str:
        try:
            place = await take(places, adapter, seconds)
        except OutOfTimeError:
            return "out of time"
        try:
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
            return "served"
        finally:
            places.release(str(place), told=rng.random() < 0.5)

    tasks = [asyncio.create_task(call(rng.choice("ab"), rng.choice((math.inf, 0.2)))) for _ in range(300)]
    for task in rng.sample(tasks, 40):
        await asyncio.sleep(0)
        task.cancel()
    return [end if isinstance(end, str) else repr(end) for end in await asyncio.gather(*tasks, return_exceptions=True)]


class TestCost:
    @pytest.mark.parametrize("kinds", [1, 50])
    async def test_thousands_of_waiting_calls_cost_linear_work(self, kinds: int) -> None:
        looked = {}
        for calls in (500, 5000):
            places = Places(left=8)

            async def call(number: int, places: Places = places) -> None:
                await take(places, f"adapter-{number % kinds}")
                await asyncio.sleep(0)
                places.release("left", told=True)

            began = time.perf_counter()
            await asyncio.gather(*(call(number) for number in range(calls)))
            looked[calls] = places.looked
            assert time.perf_counter() - began < 10
            assert places.whole
        assert looked[5000] <= 3 * 5000 + 100
        assert looked[5000] <= 11 * looked[500]

    async def test_leaving_in_any_order_is_linear_too(self) -> None:
        places = Places(left=1)
        await take(places)
        tasks = await entered(places, "a" * 5000)
        began = time.perf_counter()
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert time.perf_counter() - began < 5
        places.release("left")
        assert places.whole
