"""Leases of slots: which server takes a call, what a finished call teaches, when waiting is useless."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest

from agents.inference.backend import EndpointSettings, InferenceSettings, Route
from agents.inference.errors import (
    BadReplyError,
    InferenceError,
    OutOfTimeError,
    PermanentError,
    ServerLostError,
    TransientError,
    UnknownAdapterError,
)
from agents.inference.servers.balancing import Balancing
from agents.inference.servers.breaker import THRESHOLD
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.slots import Slots
from tests.agents.inference.conftest import make_request
from tests.agents.inference.servers.conftest import LEFT, RIGHT, fail, slots_of, url_taken
from tests.support.scripted_vllm import ScriptedVLLM


class TestPicking:
    async def test_only_a_server_that_is_up_and_lists_the_adapter(self) -> None:
        slots = slots_of()
        slots.registry.endpoints[0].models.pop("defector")
        assert {await url_taken(slots, adapter="defector") for _ in range(5)} == {RIGHT}
        slots.registry.endpoints[0].down("gone")
        assert {await url_taken(slots) for _ in range(5)} == {RIGHT}

    async def test_endpoint_settings_limit_the_adapters(self) -> None:
        slots = slots_of(EndpointSettings(LEFT, adapters=("defector",)), RIGHT)
        assert {await url_taken(slots) for _ in range(5)} == {RIGHT}

    async def test_a_pinned_call_goes_to_its_server_with_any_slash(self) -> None:
        slots = slots_of()
        for url in (RIGHT, RIGHT + "/"):
            assert {await url_taken(slots, endpoint=url) for _ in range(5)} == {RIGHT}

    async def test_a_waiting_pinned_call_gets_its_slot_with_any_slash(self) -> None:
        slots = slots_of(LEFT, concurrency=1)
        async with slots.lease(make_request(), Route()):
            waiting = asyncio.create_task(url_taken(slots, endpoint=LEFT + "/"))
            await asyncio.sleep(0)
        assert await asyncio.wait_for(waiting, 0.5) == LEFT

    async def test_a_pinned_only_server_takes_no_other_calls(self) -> None:
        slots = slots_of(LEFT)
        slots.registry.pin(RIGHT + "/", "cooperator")
        slots.registry.endpoints[1].answered([ServedModel("cooperator")])
        assert {await url_taken(slots) for _ in range(5)} == {LEFT}
        assert await url_taken(slots, endpoint=RIGHT) == RIGHT

    def test_an_endpoint_named_twice_is_one(self) -> None:
        assert len(slots_of(LEFT, LEFT + "/").registry.endpoints) == 1

    async def test_a_call_pinned_to_an_unknown_url_fails(self, stub: ScriptedVLLM) -> None:
        slots = Slots(EndpointRegistry((stub.url,), InferenceSettings()))
        with pytest.raises(PermanentError, match="pinned to http://nowhere/v1, which is none of the client's"):
            await url_taken(slots, endpoint="http://nowhere/v1/")

    async def test_round_robin_takes_servers_in_turn(self) -> None:
        slots = slots_of(balancing=Balancing.ROUND_ROBIN)
        assert [await url_taken(slots) for _ in range(6)] == [LEFT, RIGHT] * 3

    async def test_an_adapter_whose_server_is_down_is_not_unknown(self) -> None:
        """The run can go on when the server is back; an unknown adapter would end it."""
        async with ScriptedVLLM(("a",)) as left, ScriptedVLLM(("b",)) as right:
            slots = Slots(EndpointRegistry((left.url, right.url), InferenceSettings()))
            await slots.registry.refresh()
            await right.stop()
            await slots.registry.refresh()
            with pytest.raises(
                ServerLostError, match=f"the servers that have adapter 'b' are down: nothing answers at {right.url}"
            ):
                await url_taken(slots, adapter="b")
            with pytest.raises(UnknownAdapterError, match="served: a, base"):
                await url_taken(slots, adapter="c")
            await right.start()
            assert await url_taken(slots, adapter="b") == right.url


class TestLearning:
    @pytest.mark.parametrize("error", [TransientError("500"), ServerLostError("broke"), BadReplyError("garbage")])
    async def test_failures_in_a_row_open_the_breaker(self, error: InferenceError) -> None:
        slots = slots_of(LEFT)
        for _ in range(THRESHOLD):
            await fail(slots, error)
        assert not slots.registry.endpoints[0].free(time.monotonic())
        assert slots.registry.endpoints[0].pending == 0

    @pytest.mark.parametrize("error", [PermanentError("400"), OutOfTimeError("late")])
    async def test_a_wrong_or_late_call_teaches_nothing(self, error: InferenceError) -> None:
        slots = slots_of(LEFT)
        for _ in range(2 * THRESHOLD):
            await fail(slots, error)
        endpoint = slots.registry.endpoints[0]
        assert endpoint.free(time.monotonic())
        assert endpoint.limit.value == slots.settings.concurrency

    async def test_overload_cuts_the_limit(self) -> None:
        slots = slots_of(LEFT)
        await fail(slots, TransientError("503", overload=True))
        assert slots.registry.endpoints[0].limit.value == int(slots.settings.concurrency * 0.7)

    async def test_retry_after_rests_the_server_for_as_long(self) -> None:
        slots = slots_of(LEFT)
        await fail(slots, TransientError("429", retry_after=0.1, overload=True))
        began = time.monotonic()
        assert await url_taken(slots) == LEFT
        assert 0.09 < time.monotonic() - began < 5

    async def test_a_refused_connection_marks_the_server_down(self) -> None:
        slots = slots_of()
        gone = await fail(slots, ServerLostError("refused", refused=True))
        assert not gone.up
        assert gone.url not in {await url_taken(slots) for _ in range(10)}

    async def test_a_cancelled_call_frees_its_slot_and_its_probe(self) -> None:
        slots = slots_of(LEFT, concurrency=1)
        for _ in range(THRESHOLD):
            await fail(slots, TransientError("500"))
        await asyncio.sleep(0.25)

        async def hang() -> None:
            async with slots.lease(make_request(), Route()):
                await asyncio.sleep(60)

        probe = asyncio.create_task(hang())
        await asyncio.sleep(0.01)
        assert not slots.registry.endpoints[0].free(time.monotonic())
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert await url_taken(slots) == LEFT

    async def test_one_probe_is_sent_for_all_waiting_calls(self) -> None:
        slots, at_once, most = slots_of(LEFT), 0, 0
        for _ in range(THRESHOLD):
            await fail(slots, TransientError("500"))

        async def call(number: int) -> None:
            nonlocal at_once, most
            async with slots.lease(make_request(), Route(until=time.monotonic() + 5)):
                at_once += 1
                most = max(most, at_once) if number < 1 else most
                await asyncio.sleep(0.01)
                at_once -= 1

        await asyncio.gather(*(call(number) for number in range(20)))
        assert most == 1
        assert slots.registry.endpoints[0].pending == 0

    async def test_an_unloaded_adapter_is_removed_from_its_server_only(self) -> None:
        slots = slots_of()
        with pytest.raises(TransientError, match="no longer serves 'cooperator'; another server does") as caught:
            async with slots.lease(make_request(), Route()) as endpoint:
                raise UnknownAdapterError("cooperator", endpoint.url, ["defector"])
        assert caught.value.endpoint == endpoint.url
        assert not endpoint.serves("cooperator")
        assert await url_taken(slots) != endpoint.url
        assert endpoint.pending == 0


class TestManyCalls:
    @pytest.mark.parametrize("seed", range(4))
    def test_two_threads_lose_or_double_no_slot(self, seed: int) -> None:
        slots = slots_of(concurrency=3, cooldown=0.01, retries=10**6)
        flying = {LEFT: 0, RIGHT: 0}
        lock, ends = threading.Lock(), list[BaseException | None]()

        async def call(rng: random.Random) -> None:
            until = time.monotonic() + rng.choice((0.02, 5.0))
            pinned = rng.choice((None, None, LEFT, RIGHT + "/"))
            request = make_request(rng.choice(("cooperator", "defector")), endpoint=pinned)
            async with slots.lease(request, Route(until=until)) as endpoint:
                with lock:
                    flying[endpoint.url] += 1
                    assert flying[endpoint.url] <= 3
                try:
                    await asyncio.sleep(rng.choice((0, 0, 0.001)))
                    if rng.random() < 0.3:
                        raise rng.choice((PermanentError, TransientError, OutOfTimeError, BadReplyError))("on purpose")
                finally:
                    with lock:
                        flying[endpoint.url] -= 1

        async def crowd(rng: random.Random) -> None:
            calls = [asyncio.create_task(call(rng)) for _ in range(500)]
            for each in rng.sample(calls, 60):
                await asyncio.sleep(0)
                each.cancel()
            ends.extend(await asyncio.gather(*calls, return_exceptions=True))

        rngs = [random.Random(seed), random.Random(seed + 100)]
        threads = [threading.Thread(target=lambda rng=rng: asyncio.run(crowd(rng)), daemon=True) for rng in rngs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(ends) == 1000
        assert ends.count(None) > 100
        assert {type(end) for end in ends} <= {
            type(None),
            asyncio.CancelledError,
            PermanentError,
            TransientError,
            OutOfTimeError,
            BadReplyError,
        }
        assert [each.pending for each in slots.registry.endpoints] == [0, 0]
        assert not slots._lines


class TestFutileWaits:
    async def test_a_rest_longer_than_the_call_is_not_waited_for(self) -> None:
        slots = slots_of(LEFT)
        await fail(slots, TransientError("429", retry_after=3600))
        with pytest.raises(
            TransientError, match=f"{LEFT}: every server sent a Retry-After longer than the call may take"
        ):
            await url_taken(slots)

    async def test_probes_that_keep_failing_end_every_wait(self) -> None:
        slots = slots_of(LEFT, retries=0)
        for _ in range(THRESHOLD):
            await fail(slots, TransientError("500"))
        waiting = [asyncio.create_task(url_taken(slots)) for _ in range(5)]
        await asyncio.sleep(0)
        endpoint = slots.registry.endpoints[0]
        while endpoint.breaker.openings <= slots.settings.retries + 1:  # what the waiting calls' probes will find
            endpoint.breaker.failed(time.monotonic(), endpoint.breaker.begin())
        with slots.registry.lock:
            slots.hand_out()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {str(end) for end in ends} == {f"{LEFT}: calls to cooperator keep failing, also after pauses"}

    async def test_a_slot_is_waited_for_until_the_deadline(self) -> None:
        slots = slots_of(LEFT, concurrency=1)
        async with slots.lease(make_request(), Route()):
            began = time.monotonic()
            with pytest.raises(OutOfTimeError):
                async with slots.lease(make_request(), Route(until=began + 0.05)):
                    pass
            assert 0.04 < time.monotonic() - began < 5
        assert slots.registry.endpoints[0].pending == 0
