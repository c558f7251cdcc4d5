"""Figures of calls, compared with what the servers counted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import CallKey, CallRecord, Purpose, Request, Tier
from agents.inference.recording import ReplyCache
from agents.inference.servers.balancing import Balancing
from agents.roster import ModelConfig, Roster
from simulation.metrics import calls as figures
from simulation.metrics.comparable import MixedTiersError
from simulation.store.events import CallMade
from simulation.tables.builder import build_tables
from simulation.tables.columns import TableName
from tests.agents.inference.conftest import make_request
from tests.support.faults import Fault
from tests.support.scripted_vllm import ScriptedVLLM

ROSTER = Roster(name="r", base_model="base", models=(ModelConfig(model_id="m1", model_name="cooperator"),))
HTTP = InferenceSettings(tiers=(Tier.HTTP,), retries=0)
IN_TURN = InferenceSettings(tiers=(Tier.HTTP,), retries=0, balancing=Balancing.ROUND_ROBIN)


def table(records: Iterable[CallRecord]) -> pd.DataFrame:
    """The `calls` table of these attempts."""
    return build_tables([CallMade(record) for record in records], ROSTER)[TableName.CALLS]


def requests(count: int) -> list[Request]:
    return [make_request(key=CallKey(0, step, "m1", Purpose.TALK)) for step in range(count)]


def test_success_rate_is_over_episodes_as_calls_fail_together() -> None:
    statuses = [["ok"] * 4] * 6 + [["ok", "failed", "failed", "failed"]] * 2
    rows = [
        {"episode": episode, "status": status, "tier": "http", "synthetic": False}
        for episode, of_episode in enumerate(statuses)
        for status in of_episode
    ]
    rate = figures.success_rate(pd.DataFrame(rows))
    assert rate is not None
    assert (rate.value, rate.n) == (26 / 32, 8)
    assert rate.low < 26 / 32 < rate.high <= 1
    assert figures.success_rate(pd.DataFrame(rows)[:0]) is None


async def test_moved_call_is_one_failure_one_success_one_move() -> None:
    records: list[CallRecord] = []
    async with ScriptedVLLM() as first, ScriptedVLLM() as second:
        async with VLLMClient(endpoints=(first.url, second.url), settings=IN_TURN, on_call=records.append) as client:
            asked = requests(8)
            await client.generate(asked[0])
            favourite = first if first.bodies else second
            favourite.script(Fault.SERVER_ERROR, Fault.INVALID_JSON)
            for request in asked[1:]:
                await client.generate(request)
        other = second if favourite is first else first
        calls = table(records)
        assert figures.moves(calls) == 2
        assert set(calls["endpoint"][figures.moved(calls)]) == {favourite.url}
        assert figures.failures(calls) == {"BadReplyError": 1, "TransientError": 1}
        rate = figures.success_rate(calls)
        assert rate is not None
        assert (rate.value, rate.n) == (8 / 10, 1)
        assert len(first.bodies) + len(second.bodies) == 10
        assert len(other.bodies) >= 2
    assert figures.fallbacks(calls) == {}
    assert figures.tier_mix(calls) == {"http": 1.0}


async def test_fallbacks_are_counted_by_what_failed() -> None:
    records: list[CallRecord] = []
    settings = InferenceSettings(tiers=(Tier.HTTP, Tier.SIMULATED), retries=0)
    async with ScriptedVLLM() as server, VLLMClient(server.url, settings=settings, on_call=records.append) as client:
        asked = requests(4)
        await client.generate(asked[0])
        server.script(Fault.SERVER_ERROR)
        for request in asked[1:]:
            await client.generate(request)
    calls = table(records)
    assert figures.fallbacks(calls) == {"http": 1}
    assert figures.tier_mix(calls) == {"http": 0.75, "simulated": 0.25}
    for figure in (figures.latency, figures.success_rate, figures.queue_time, figures.tokens_per_second):
        with pytest.raises(MixedTiersError):
            figure(calls)


async def test_cancelled_calls_and_cached_replies_are_in_no_figure(tmp_path: Path) -> None:
    records: list[CallRecord] = []
    settings = InferenceSettings(tiers=(Tier.HTTP,), retries=0)
    cache = ReplyCache(tmp_path)
    async with (
        ScriptedVLLM() as server,
        VLLMClient(server.url, settings=settings, on_call=records.append, cache=cache) as client,
    ):
        await client.generate(requests(1)[0])
        server.delay = 2.0
        stopped = asyncio.create_task(client.generate(make_request(seed=2)))
        await asyncio.sleep(0.1)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
        server.delay = 0.0
        await client.generate(make_request(seed=1))
        await client.generate(make_request(seed=1))
    cache.close()
    calls = table(records)
    assert sorted(calls["status"].astype(str)) == ["cached", "cancelled", "ok", "ok"]
    rate, time, queue = figures.success_rate(calls), figures.latency(calls), figures.queue_time(calls)
    assert rate is not None
    assert time is not None
    assert queue is not None
    assert (rate.value, rate.n, time.n, queue.n) == (1.0, 1, 2, 2)
    assert time.p99 < 2.0
    assert figures.moves(calls) == 0
    assert figures.tier_mix(calls) == {"http": 1.0}


async def test_tokens_and_prefix_cache_are_the_servers_counts() -> None:
    records: list[CallRecord] = []
    async with ScriptedVLLM(delay=0.02, slots=2) as server:
        async with VLLMClient(server.url, settings=HTTP, on_call=records.append) as client:
            long = [make_request(key=r.key, messages=_long(r)) for r in requests(6)]
            await client.generate(long[0])
            await asyncio.gather(*(client.generate(request) for request in long[1:]))
        cache = server.prefix_cache
    calls = table(records)
    assert figures.prefix_cache_hit_rate(calls) == pytest.approx(cache.hits / cache.queries)
    assert cache.hits > 0
    per_call = figures.tokens_per_second(calls)
    assert per_call is not None
    fastest = (calls["completion_tokens"] / calls["latency"]).max()
    assert 0 < per_call.p50 <= per_call.p90 <= per_call.p99 <= fastest
    assert per_call.p99 <= calls["completion_tokens"].max() / 0.02
    episodes = pd.DataFrame({"episode": [0, 1], "duration": [4.0, math.nan]})
    assert figures.wall_tokens_per_second(calls, episodes) == calls["completion_tokens"].sum() / 4.0
    assert figures.wall_tokens_per_second(calls, episodes[1:]) is None


def _long(request: Request) -> tuple:  # type: ignore[type-arg]
    system, user = request.messages
    return (type(system)("system", "word " * 300), user)


async def test_queue_time_is_no_part_of_latency() -> None:
    records: list[CallRecord] = []
    narrow = InferenceSettings(tiers=(Tier.HTTP,), retries=0, concurrency=1)
    async with ScriptedVLLM(delay=0.05) as server, VLLMClient(server.url, settings=narrow, on_call=records.append) as c:
        await asyncio.gather(*(c.generate(request) for request in requests(4)))
    calls = table(records)
    queue, latency = figures.queue_time(calls), figures.latency(calls)
    assert queue is not None
    assert latency is not None
    assert latency.p50 < 0.1 < queue.p99


def test_figures_without_data_are_none() -> None:
    nothing = table([])
    assert figures.latency(nothing) is None
    assert figures.success_rate(nothing) is None
    assert figures.prefix_cache_hit_rate(nothing) is None
    assert figures.tier_mix(nothing) == {}
    assert figures.moves(nothing) == 0
