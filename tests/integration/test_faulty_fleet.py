"""Whole runs on two scripted servers, one of them faulty: the data are right, and every attempt is recorded."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agents.inference.provenance import Tier
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.tables.run import Run
from tests.agents.inference.servers.test_faults import CLASS_OF, timeout_of
from tests.integration.fleet import answers, plan_for, same_story
from tests.support.faults import Fault
from tests.support.scripted_vllm import ScriptedVLLM

TIERS = pytest.mark.parametrize("tier", [Tier.HTTP, Tier.CAMEL])
MOST = [
    pytest.param(fault, marks=() if fault is Fault.WRONG_MODEL else pytest.mark.slow)
    for fault in CLASS_OF
    if fault is not Fault.REFUSED  # a server that never listened is not tried: see the run that loses its server
]


async def play(tier: Tier, out: Path, *servers: ScriptedVLLM, **inference: object) -> Run:
    plan = plan_for([server.url for server in servers], tier.value, **inference)  # type: ignore[arg-type]
    return await asyncio.to_thread(run_scenario, plan, out=out)


async def asked(server: ScriptedVLLM, calls: int, running: asyncio.Task[Run]) -> None:
    """Wait until the server has received so many more calls."""
    enough = len(server.bodies) + calls
    while len(server.bodies) < enough:
        assert not running.done(), "the run ended first"
        await asyncio.sleep(0.005)


@TIERS
@pytest.mark.parametrize("fault", MOST)
async def test_permanently_faulty_server_changes_no_data(tier: Tier, fault: Fault, tmp_path: Path) -> None:
    async with ScriptedVLLM() as bad, ScriptedVLLM() as good:
        undisturbed = await play(tier, tmp_path / "undisturbed", good)
        async with bad.faulty(fault):
            run = await play(tier, tmp_path / "run", bad, good, timeout=timeout_of(fault))
    same_story(run, undisturbed)
    calls = answers(run)
    assert set(run.calls["tier"]) == {tier.value}
    assert set(calls["endpoint"]) == {good.url}
    failed = run.calls[run.calls["status"] != "ok"]
    assert set(zip(failed["endpoint"], failed["error_class"], strict=True)) == {(bad.url, CLASS_OF[fault])}
    assert failed["error"].str.startswith(CLASS_OF[fault]).all()


@pytest.mark.slow
@TIERS
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SERVER_ERROR, Fault.DROPPED, Fault.TOO_MANY_REQUESTS])
async def test_temporarily_faulty_server_is_avoided_and_used_again(tier: Tier, fault: Fault, tmp_path: Path) -> None:
    async with ScriptedVLLM() as left, ScriptedVLLM() as right:
        undisturbed = await play(tier, tmp_path / "undisturbed", right, steps=20, episodes=4)
        left.delay = right.delay = 0.03
        running = asyncio.create_task(play(tier, tmp_path / "run", left, right, steps=20, episodes=4))
        await asked(left, 10, running)
        async with left.faulty(fault):
            await asyncio.sleep(1.0)
        right.delay = 0.2  # the run lasts until the other server was asked again, however soon that is
        await asked(left, 10, running)
        left.delay = right.delay = 0.0
        run = await running
    same_story(run, undisturbed)
    assert set(run.calls["tier"]) == {tier.value}
    failed = run.calls[run.calls["status"] != "ok"]
    assert set(failed["endpoint"]) == {left.url}


@pytest.mark.slow
@TIERS
@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.NEVER_ENDING_BODY, Fault.GARBAGE_UTF8, Fault.REFUSED])
async def test_run_without_its_only_server_stops_and_can_resume(tier: Tier, fault: Fault, tmp_path: Path) -> None:
    inference = {"require": tier.value, "timeout": timeout_of(fault), "deadline": 3.0, "retries": 1}
    async with ScriptedVLLM() as server:
        undisturbed = await play(tier, tmp_path / "undisturbed", server, steps=4)
        server.delay = 0.02
        running = asyncio.create_task(play(tier, tmp_path / "run", server, steps=4, **inference))
        await asked(server, 20, running)
        async with server.faulty(fault):
            began = time.monotonic()
            with pytest.raises(RunStoppedError, match=f"tier {tier.value} is required and failed") as caught:
                await running
            assert time.monotonic() - began < 8
        run = await asyncio.to_thread(resume_run, caught.value.path)
    same_story(run, undisturbed)
