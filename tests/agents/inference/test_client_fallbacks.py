"""Fallbacks of `VLLMClient`: the required tier, servers that are not there, and servers that go down during a run."""

from __future__ import annotations

import asyncio

import pytest

from agents.inference.errors import FloorReachedError
from tests.agents.inference.test_client import CAMEL, FAILED, HTTP, OK, SIMULATED, UNUSED, Society, warnings
from tests.support import faults
from tests.support.faults import Fault
from tests.support.scripted_vllm import ScriptedVLLM


class TestFloor:
    async def test_no_call_falls_back_below_the_required_tier(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.extend([faults.status(400, "too long")] * 2)
        async with Society(stub.url, require=HTTP) as society:
            with pytest.raises(FloorReachedError, match="tier http is required and failed") as caught:
                await society.ask()
        assert caught.value.floor is HTTP
        assert "too long" in str(caught.value)
        assert society.attempts == [(CAMEL, 1, FAILED), (HTTP, 1, FAILED)]

    async def test_the_last_tier_allowed_is_a_floor_too(self) -> None:
        async with Society(UNUSED, tiers=(HTTP,)) as society:
            with pytest.raises(FloorReachedError, match=f"nothing answers at {UNUSED}.*vllm serve"):
                await society.ask()
        assert society.attempts == []

    async def test_a_required_tier_above_all_allowed_is_an_error(self) -> None:
        async with Society(UNUSED, tiers=(SIMULATED,), require=HTTP) as society:
            with pytest.raises(FloorReachedError, match="no tier is allowed"):
                await society.ask()


class TestNoServer:
    async def test_a_fallback_at_the_start_is_quick_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        async with Society(UNUSED) as society:
            started = asyncio.get_running_loop().time()
            replies = [await society.ask() for _ in range(5)]
            assert asyncio.get_running_loop().time() - started < 0.5
        assert {reply.provenance.fallback_from for reply in replies} == {(CAMEL, HTTP)}
        [line] = warnings(caplog)
        assert line.startswith("inference falls back from camel, http to simulated: camel and http: nothing answers")
        assert "NO language model answers" in line
        assert society.attempts == [(SIMULATED, 1, OK)] * 5

    async def test_a_server_that_starts_late_does_not_take_over_a_run(self, stub: ScriptedVLLM) -> None:
        await stub.stop()
        async with Society(stub.url, cooldown=0.0) as society:
            await society.ask()
            await stub.start()
            assert (await society.ask()).provenance.tier is SIMULATED
            await society.client.detect()
            assert (await society.ask()).provenance.tier is CAMEL


class TestServerGoesDown:
    async def test_calls_fall_back_and_return_after_the_cooldown(
        self, stub: ScriptedVLLM, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with Society(stub.url, retries=1, health_interval=0.4) as society:
            assert (await society.ask()).provenance.tier is CAMEL
            await stub.stop()
            fallen = [await society.ask() for _ in range(3)]
            assert [reply.provenance.fallback_from for reply in fallen] == [(CAMEL, HTTP)] * 3
            assert society.attempts[1:] == [(CAMEL, 1, FAILED), (CAMEL, 2, FAILED)] + [(SIMULATED, 1, OK)] * 3
            await stub.start()
            assert (await society.ask()).provenance.tier is SIMULATED
            await asyncio.sleep(0.5)
            assert (await society.ask()).provenance.tier is CAMEL
            assert society.client.connection_available
            fallback, back = warnings(caplog)
            assert "falls back from camel, http to simulated" in fallback
            assert back == f"inference returns to camel, http: {stub.url} serves base, cooperator, defector"
            await stub.stop()
            await society.ask()
        assert len(warnings(caplog)) == 3

    async def test_calls_do_not_check_a_lost_server_themselves(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url, retries=0, health_interval=1.2) as society:
            await society.ask()
            async with stub.faulty(Fault.REFUSED):
                await society.ask()
                began = asyncio.get_running_loop().time()
                replies = await asyncio.gather(*(society.ask() for _ in range(100)))
                assert asyncio.get_running_loop().time() - began < 0.9
            assert {reply.provenance.tier for reply in replies} == {SIMULATED}
            assert (await society.ask()).provenance.tier is SIMULATED  # not checked again yet
            await asyncio.sleep(1.6)
            assert (await society.ask()).provenance.tier is CAMEL

    async def test_a_broken_connection_to_a_live_server_fails_one_call(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.extend([faults.drop] * 2)
        async with Society(stub.url, retries=1) as society:
            assert [(await society.ask()).provenance.tier for _ in range(2)] == [HTTP, CAMEL]

    async def test_calls_in_flight_fall_back_and_are_logged_once(
        self, stub: ScriptedVLLM, caplog: pytest.LogCaptureFixture
    ) -> None:
        stub.delay = 2  # longer than the server waits for open calls when it stops
        async with Society(stub.url, retries=1, cooldown=30) as society:
            await society.client.detect()
            calls = [asyncio.create_task(society.ask()) for _ in range(10)]
            await asyncio.sleep(0.05)
            await stub.stop()
            replies = await asyncio.gather(*calls)
        assert {reply.provenance.tier for reply in replies} == {SIMULATED}
        assert len(warnings(caplog)) == 1
