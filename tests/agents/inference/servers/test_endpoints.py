"""The pool of servers: who may take a call, what a server's failures teach, and who is told to look again."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

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
from agents.inference.servers.discovery import ServedModel
from agents.inference.servers.endpoints import Endpoint, EndpointPool
from tests.agents.inference.conftest import make_request
from tests.support.faults import Fault
from tests.support.scripted_vllm import Route as Page
from tests.support.scripted_vllm import ScriptedVLLM

LEFT, RIGHT = "http://left/v1", "http://right/v1"


def pool_of(*given: str | EndpointSettings, **changes: Any) -> EndpointPool:
    """A pool whose servers answered: each serves `cooperator` and `defector`. No socket is opened."""
    pool = EndpointPool(given or (LEFT, RIGHT), InferenceSettings(**({"timeout": 5.0, "cooldown": 0.2} | changes)))
    for endpoint in pool.endpoints:
        endpoint.answered([ServedModel("cooperator", "base"), ServedModel("defector", "base")])
    return pool


async def fail(pool: EndpointPool, error: InferenceError, route: Route | None = None) -> Endpoint:
    """One call that ends so; the server it was at."""
    with suppress(type(error)):
        async with pool.lease(make_request(), route or Route()) as endpoint:
            raise error
    return endpoint


async def where(pool: EndpointPool, **changes: Any) -> str:
    async with pool.lease(make_request(**changes), Route(until=time.monotonic() + 1)) as endpoint:
        return endpoint.url


class TestWhoMayTakeACall:
    async def test_only_a_server_that_lists_the_adapter_and_is_there(self) -> None:
        pool = pool_of()
        pool.endpoints[0].models.pop("defector")
        assert {await where(pool, adapter="defector") for _ in range(5)} == {RIGHT}
        pool.endpoints[0].down("gone")
        assert {await where(pool) for _ in range(5)} == {RIGHT}

    async def test_settings_may_keep_a_server_to_some_adapters(self) -> None:
        pool = pool_of(EndpointSettings(LEFT, adapters=("defector",)), RIGHT)
        assert {await where(pool) for _ in range(5)} == {RIGHT}

    async def test_a_pinned_call_goes_to_its_server_however_the_url_ends(self) -> None:
        pool = pool_of()
        for url in (RIGHT, RIGHT + "/"):
            assert {await where(pool, endpoint=url) for _ in range(5)} == {RIGHT}

    async def test_a_pinned_call_that_waits_gets_its_place_however_the_url_ends(self) -> None:
        pool = pool_of(LEFT, concurrency=1)
        async with pool.lease(make_request(), Route()):
            waiting = asyncio.create_task(where(pool, endpoint=LEFT + "/"))
            await asyncio.sleep(0)
        assert await asyncio.wait_for(waiting, 0.5) == LEFT

    async def test_a_pinned_server_takes_no_others(self) -> None:
        pool = pool_of(LEFT)
        pool.pin(RIGHT + "/", "cooperator")
        pool.endpoints[1].answered([ServedModel("cooperator")])
        assert {await where(pool) for _ in range(5)} == {LEFT}
        assert await where(pool, endpoint=RIGHT) == RIGHT

    def test_a_server_named_twice_is_one(self) -> None:
        assert len(pool_of(LEFT, LEFT + "/").endpoints) == 1

    async def test_a_call_pinned_to_a_stranger_is_told_so(self, stub: ScriptedVLLM) -> None:
        pool = EndpointPool((stub.url,), InferenceSettings())
        with pytest.raises(PermanentError, match="pinned to http://nowhere/v1, which is none of the client's"):
            await where(pool, endpoint="http://nowhere/v1/")

    async def test_round_robin_over_weights(self) -> None:
        pool = pool_of(EndpointSettings(LEFT, weight=3), RIGHT, balancing=Balancing.ROUND_ROBIN)
        taken = [await where(pool) for _ in range(8)]
        assert (taken.count(LEFT), taken.count(RIGHT)) == (6, 2)

    async def test_an_adapter_whose_server_is_away_is_not_unknown(self) -> None:
        """The run can go on when the server is back; an unknown adapter would end it."""
        async with ScriptedVLLM(("a",)) as left, ScriptedVLLM(("b",)) as right:
            pool = EndpointPool((left.url, right.url), InferenceSettings())
            await pool.refresh()
            await right.stop()
            await pool.refresh()
            with pytest.raises(ServerLostError, match=f"what serves 'b' is away: nothing answers at {right.url}"):
                await where(pool, adapter="b")
            with pytest.raises(UnknownAdapterError, match="served: a, base"):
                await where(pool, adapter="c")
            await right.start()
            assert await where(pool, adapter="b") == right.url


class TestWhatAServerIsTaughtBy:
    @pytest.mark.parametrize("error", [TransientError("500"), ServerLostError("broke"), BadReplyError("garbage")])
    async def test_failures_in_a_row_open_its_breaker(self, error: InferenceError) -> None:
        pool = pool_of(LEFT)
        for _ in range(THRESHOLD):
            await fail(pool, error)
        assert not pool.endpoints[0].free(time.monotonic())
        assert pool.endpoints[0].pending == 0

    @pytest.mark.parametrize("error", [PermanentError("400"), OutOfTimeError("late")])
    async def test_a_call_that_is_itself_wrong_or_late_says_nothing(self, error: InferenceError) -> None:
        pool = pool_of(LEFT)
        for _ in range(2 * THRESHOLD):
            await fail(pool, error)
        endpoint = pool.endpoints[0]
        assert endpoint.free(time.monotonic())
        assert endpoint.limit.value == pool.settings.concurrency

    async def test_overload_cuts_its_limit(self) -> None:
        pool = pool_of(LEFT)
        await fail(pool, TransientError("503", overload=True))
        assert pool.endpoints[0].limit.value == int(pool.settings.concurrency * 0.7)

    async def test_retry_after_lets_it_rest_and_no_longer(self) -> None:
        pool = pool_of(LEFT)
        await fail(pool, TransientError("429", retry_after=0.1, overload=True))
        began = time.monotonic()
        assert await where(pool) == LEFT
        assert 0.09 < time.monotonic() - began < 0.6

    async def test_a_refusal_takes_it_out_at_once_and_others_take_its_calls(self) -> None:
        pool = pool_of()
        gone = await fail(pool, ServerLostError("refused", refused=True))
        assert not gone.up
        assert gone.url not in {await where(pool) for _ in range(10)}

    async def test_a_cancelled_call_frees_its_place_and_its_probe(self) -> None:
        pool = pool_of(LEFT, concurrency=1)
        for _ in range(THRESHOLD):
            await fail(pool, TransientError("500"))
        await asyncio.sleep(0.25)

        async def hang() -> None:
            async with pool.lease(make_request(), Route()):
                await asyncio.sleep(60)

        probe = asyncio.create_task(hang())
        await asyncio.sleep(0.01)
        assert not pool.endpoints[0].free(time.monotonic())
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert await where(pool) == LEFT

    async def test_one_probe_finds_out_for_all_who_wait(self) -> None:
        pool, at_once, most = pool_of(LEFT), 0, 0
        for _ in range(THRESHOLD):
            await fail(pool, TransientError("500"))

        async def call(number: int) -> None:
            nonlocal at_once, most
            async with pool.lease(make_request(), Route(until=time.monotonic() + 5)):
                at_once += 1
                most = max(most, at_once) if number < 1 else most
                await asyncio.sleep(0.01)
                at_once -= 1

        await asyncio.gather(*(call(number) for number in range(20)))
        assert most == 1
        assert pool.endpoints[0].pending == 0

    async def test_an_adapter_it_no_longer_has_is_forgotten_there_only(self) -> None:
        pool = pool_of()
        with pytest.raises(TransientError, match="no longer serves 'cooperator'; another server does") as caught:
            async with pool.lease(make_request(), Route()) as endpoint:
                raise UnknownAdapterError("cooperator", endpoint.url, ["defector"])
        assert caught.value.endpoint == endpoint.url
        assert not endpoint.serves("cooperator")
        assert await where(pool) != endpoint.url
        assert endpoint.pending == 0


class TestManyCalls:
    @pytest.mark.parametrize("seed", range(4))
    def test_from_two_threads_with_every_kind_of_end_no_place_is_lost_or_doubled(self, seed: int) -> None:
        pool = pool_of(concurrency=3, cooldown=0.01, retries=10**6)
        flying = {LEFT: 0, RIGHT: 0}
        lock, ends = threading.Lock(), list[BaseException | None]()

        async def call(rng: random.Random) -> None:
            until = time.monotonic() + rng.choice((0.02, 5.0))
            pinned = rng.choice((None, None, LEFT, RIGHT + "/"))
            request = make_request(rng.choice(("cooperator", "defector")), endpoint=pinned)
            async with pool.lease(request, Route(until=until)) as endpoint:
                with lock:
                    flying[endpoint.url] += 1
                    assert flying[endpoint.url] <= 3
                try:
                    await asyncio.sleep(rng.choice((0, 0, 0.001)))
                    if rng.random() < 0.3:
                        raise rng.choice((PermanentError, TransientError, OutOfTimeError, BadReplyError))("as told")
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
        assert [each.pending for each in pool.endpoints] == [0, 0]
        assert not pool._queue._lines


class TestWaitingInVain:
    async def test_a_rest_longer_than_a_call_may_take_is_not_waited_for(self) -> None:
        pool = pool_of(LEFT)
        await fail(pool, TransientError("429", retry_after=3600))
        with pytest.raises(TransientError, match=f"{LEFT}: asked to be left alone for longer than a call may take"):
            await where(pool)

    async def test_new_tries_that_keep_failing_end_the_wait_of_all(self) -> None:
        pool = pool_of(LEFT, retries=0)
        for _ in range(THRESHOLD):
            await fail(pool, TransientError("500"))
        waiting = [asyncio.create_task(where(pool)) for _ in range(5)]
        await asyncio.sleep(0)
        endpoint = pool.endpoints[0]
        while endpoint.breaker.openings <= pool.settings.retries + 1:  # what the waiting calls' probes will find
            endpoint.breaker.failed(time.monotonic(), endpoint.breaker.begin())
        with pool._queue.lock:
            pool._queue.serve()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert {str(end) for end in ends} == {f"{LEFT}: calls keep failing, and so did every new try"}

    async def test_a_place_is_waited_for_until_the_call_has_no_time_left(self) -> None:
        pool = pool_of(LEFT, concurrency=1)
        async with pool.lease(make_request(), Route()):
            began = time.monotonic()
            with pytest.raises(OutOfTimeError):
                async with pool.lease(make_request(), Route(until=began + 0.05)):
                    pass
            assert 0.04 < time.monotonic() - began < 0.5
        assert pool.endpoints[0].pending == 0


@pytest.fixture
async def found(stub: ScriptedVLLM) -> EndpointPool:
    pool = EndpointPool((stub.url,), InferenceSettings())
    await pool.refresh()
    return pool


class TestLooking:
    async def test_asking_again_does_not_close_the_breaker_of_a_server_that_lists_and_fails(
        self, found: EndpointPool
    ) -> None:
        for _ in range(THRESHOLD):
            await fail(found, TransientError("500"))
        await found.refresh()
        assert not found.endpoints[0].free(time.monotonic())

    async def test_a_server_that_is_back_starts_anew(self, stub: ScriptedVLLM, found: EndpointPool) -> None:
        for _ in range(THRESHOLD):
            await fail(found, TransientError("500"))
        async with stub.faulty(Fault.REFUSED):
            await found.refresh()
            assert not found.up
        await found.refresh()
        assert found.endpoints[0].free(time.monotonic())
        assert found.returns == 1

    @pytest.mark.parametrize(("busy", "up"), [(True, True), (False, False)])
    async def test_a_server_too_busy_to_list_is_not_taken_for_gone(
        self, stub: ScriptedVLLM, found: EndpointPool, monkeypatch: pytest.MonkeyPatch, busy: bool, up: bool
    ) -> None:
        monkeypatch.setattr("agents.inference.servers.discovery.ASK_TIMEOUT", 0.1)
        found.endpoints[0].pending = int(busy)
        async with stub.faulty(Fault.SLOW_HEADERS, Page.MODELS):
            await found.refresh()
        assert found.up is up

    @pytest.mark.parametrize("fault", [Fault.NEVER_ENDING_BODY, Fault.INVALID_JSON, Fault.GARBAGE_UTF8])
    async def test_a_list_that_is_none_is_an_answer_of_its_own(
        self, stub: ScriptedVLLM, monkeypatch: pytest.MonkeyPatch, fault: Fault
    ) -> None:
        monkeypatch.setattr("agents.inference.servers.discovery.ASK_TIMEOUT", 0.5)
        pool = EndpointPool((stub.url,), InferenceSettings())
        async with stub.faulty(fault, Page.MODELS):
            await pool.refresh()
        assert not pool.up
        assert stub.url in pool.detail


class TestApiKey:
    def settings(self, url: str = LEFT) -> EndpointSettings:
        return EndpointSettings(url, api_key_env="SOCIETY_TEST_KEY")

    def test_it_is_read_when_it_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        [endpoint] = pool_of(self.settings()).endpoints
        monkeypatch.setenv("SOCIETY_TEST_KEY", "first")
        assert endpoint.headers() == {"Authorization": "Bearer first"}
        monkeypatch.setenv("SOCIETY_TEST_KEY", "second")
        assert endpoint.headers() == {"Authorization": "Bearer second"}

    def test_without_one_nothing_is_sent(self) -> None:
        assert pool_of(LEFT).endpoints[0].headers() == {}

    @pytest.mark.parametrize("value", [None, ""])
    async def test_a_variable_that_is_not_set_is_named(
        self, stub: ScriptedVLLM, monkeypatch: pytest.MonkeyPatch, value: str | None
    ) -> None:
        monkeypatch.delenv("SOCIETY_TEST_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("SOCIETY_TEST_KEY", value)
        pool = EndpointPool((replace(self.settings(), url=stub.url),), InferenceSettings())
        await pool.refresh()
        assert pool.detail.startswith(
            f"{stub.url} wants the API key in the environment variable SOCIETY_TEST_KEY, which is not set, and "
        )
        assert not pool.probe()
        assert stub.asked_models == 0

    def test_it_is_taken_out_of_what_the_server_repeats(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOCIETY_TEST_KEY", "s3cret")
        [endpoint] = pool_of(self.settings()).endpoints
        assert endpoint.without_key(b'{"error": "no such key: s3cret"}') == b'{"error": "no such key: (API key)"}'

    def test_no_repr_holds_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOCIETY_TEST_KEY", "s3cret")
        [endpoint] = pool_of(self.settings()).endpoints
        endpoint.headers()
        assert "s3cret" not in repr(endpoint)
