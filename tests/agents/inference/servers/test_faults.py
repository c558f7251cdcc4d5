"""Every kind of fault at both server tiers, through the client: the right data or one clear error, in time."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.errors import FloorReachedError
from agents.inference.provenance import CallRecord, CallStatus, Tier
from agents.inference.servers.balancing import Balancing
from agents.inference.servers.wire import LONGEST_BODY
from tests.agents.inference.conftest import make_request
from tests.support.faults import Fault
from tests.support.scripted_process import scripted_process
from tests.support.scripted_vllm import ScriptedVLLM

LOST, TRANSIENT, BAD = "ServerLostError", "TransientError", "BadReplyError"
CLASS_OF = {
    Fault.REFUSED: LOST,
    Fault.DROPPED: LOST,
    Fault.RESET_MID_BODY: LOST,
    Fault.TOO_MANY_REQUESTS: TRANSIENT,
    Fault.SERVER_ERROR: TRANSIENT,
    Fault.SLOW_HEADERS: LOST,
    Fault.NEVER_ENDING_BODY: LOST,
    Fault.TRUNCATED_JSON: BAD,
    Fault.INVALID_JSON: BAD,
    Fault.WRONG_MODEL: "OtherModelError",
    Fault.DUPLICATE_CHOICES: BAD,
    Fault.HUGE_BODY: BAD,
    Fault.GARBAGE_UTF8: BAD,
}
"""Every fault but EMPTY_CONTENT, which is an answer: a model may end at once, and its empty text is passed on."""
TIERS = pytest.mark.parametrize("tier", [Tier.CAMEL, Tier.HTTP])
FAULTS = pytest.mark.parametrize("fault", CLASS_OF)
HANGS = (Fault.SLOW_HEADERS, Fault.NEVER_ENDING_BODY)


@asynccontextmanager
async def client_of(tier: Tier, *urls: str, **changes: Any) -> AsyncIterator[tuple[VLLMClient, list[CallRecord]]]:
    """A client of one server tier, with the simulated tier below it, whose servers were asked before the fault."""
    values: dict[str, Any] = {"timeout": 5.0, "deadline": 10.0, "cooldown": 0.2, "balancing": Balancing.ROUND_ROBIN}
    settings = InferenceSettings(**({"tiers": (tier, Tier.SIMULATED)} | values | changes))
    records: list[CallRecord] = []
    async with VLLMClient(endpoints=urls, settings=settings, on_call=records.append) as client:
        await client.detect()
        yield client, records


def timeout_of(fault: Fault) -> float:
    """Short for faults that only the time-out ends."""
    return 1.0 if fault in HANGS else 5.0


def test_every_fault_is_in_the_table() -> None:
    assert {*CLASS_OF, Fault.EMPTY_CONTENT} == set(Fault)


@TIERS
@FAULTS
async def test_no_call_fails_while_another_server_is_healthy(tier: Tier, fault: Fault) -> None:
    async with (
        ScriptedVLLM() as bad,
        ScriptedVLLM() as good,
        client_of(tier, bad.url, good.url, timeout=timeout_of(fault)) as (client, records),
        bad.faulty(fault),
    ):
        replies = await asyncio.gather(*(client.generate(make_request(seed=number)) for number in range(6)))
    assert [reply.text for reply in replies] == ["hello from cooperator"] * 6
    assert {(reply.provenance.tier, reply.provenance.endpoint) for reply in replies} == {(tier, good.url)}
    failed = [record for record in records if record.status is CallStatus.FAILED]
    assert {(record.endpoint, record.error_class) for record in failed} == {(bad.url, CLASS_OF[fault])}
    assert all(record.error.startswith(CLASS_OF[fault]) and record.reply is None for record in failed)
    assert {record.tier for record in records} == {tier}  # no fallback
    assert len(records) - len(failed) == 6


@TIERS
async def test_an_empty_text_is_a_reply(tier: Tier) -> None:
    async with (
        ScriptedVLLM() as server,
        client_of(tier, server.url) as (client, records),
        server.faulty(Fault.EMPTY_CONTENT),
    ):
        reply = await client.generate(make_request())
    assert (reply.text, reply.provenance.tier, reply.provenance.completion_tokens) == ("", tier, 1)
    assert [record.status for record in records] == [CallStatus.OK]


@pytest.mark.slow
@TIERS
@FAULTS
async def test_a_single_faulty_server_gives_one_error_in_time(tier: Tier, fault: Fault) -> None:
    limits = {"tiers": (tier,), "timeout": timeout_of(fault), "deadline": 4.0, "retries": 1}
    async with (
        ScriptedVLLM() as server,
        client_of(tier, server.url, **limits) as (client, records),
        server.faulty(fault),
    ):
        began = time.monotonic()
        ends = await asyncio.gather(
            *(client.generate(make_request(seed=number)) for number in range(8)), return_exceptions=True
        )
        assert time.monotonic() - began < 5.0
    assert {type(end) for end in ends} == {FloorReachedError}
    assert all(server.url in str(end) and f"tier {tier.value} is required and failed" in str(end) for end in ends)
    assert {record.status for record in records} == {CallStatus.FAILED}
    assert CLASS_OF[fault] in {record.error_class for record in records}


@TIERS
@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.REFUSED])
async def test_a_server_that_recovers_is_used_again(tier: Tier, fault: Fault) -> None:
    async with (
        ScriptedVLLM() as left,
        ScriptedVLLM() as right,
        client_of(tier, left.url, right.url, health_interval=0.1) as (client, _),
    ):
        async with left.faulty(fault):
            for number in range(8):
                await client.generate(make_request(seed=number))
        before = len(left.bodies)
        ends = time.monotonic() + 5
        while len(left.bodies) == before:
            assert time.monotonic() < ends, "the server was not used again"
            await client.generate(make_request())
            await asyncio.sleep(0.02)


@pytest.mark.slow
@TIERS
@pytest.mark.parametrize("fault", [Fault.HUGE_BODY, Fault.NEVER_ENDING_BODY])
async def test_an_endless_body_takes_bounded_memory(tier: Tier, fault: Fault) -> None:
    calls = 4
    with scripted_process() as server:
        limits = {"tiers": (tier,), "timeout": 4 * timeout_of(fault), "retries": 0}
        async with client_of(tier, server.url, **limits) as (client, records):
            async with aiohttp.ClientSession() as session:
                broken = {"fault": fault.value, "seconds": 60}
                await session.post(f"{server.url.removesuffix('/v1')}/script", json=broken)
            tracemalloc.start()
            await asyncio.gather(*(client.generate(make_request()) for _ in range(calls)), return_exceptions=True)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert {record.error_class for record in records} == {CLASS_OF[fault]}
    assert peak < calls * 2 * LONGEST_BODY
