"""Whole runs on real vLLM servers with real LoRA adapters: both server tiers, and a server that is restarted."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.inference.provenance import Tier
from agents.role import ModelRole
from agents.roster import ModelConfig, Roster
from simulation.doctor import DoctorCase, Verdict, examine
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.scenario import Scenario
from simulation.serving.vllm_server import VLLMServer
from simulation.store.events import CallMade, Event, StepResolved
from simulation.tables.run import Run
from tests.integration.vllm.servers import BASE, STARTUP
from tests.integration.vllm.tiny_model import TinyModel

pytestmark = pytest.mark.vllm

MakePlan = Callable[..., Plan]


@pytest.fixture(scope="module")
def make_plan(tiny: TinyModel) -> MakePlan:
    """Return a plan for the tiny base's adapters; keywords replace keys of the scenario."""

    def make(*servers: VLLMServer, steps: int = 2, **keys: Any) -> Plan:
        rows = [
            ModelConfig(model_id=f"m_{name}", model_name=name, role=role)
            for name, role in zip(tiny.names, ModelRole, strict=False)
        ]
        task = {"task_id": "pot", "task_type": "public_goods", "max_steps": steps}
        data = {"name": "real", "mode": "cooperative", "roster": "tiny", "seed": 5, "tasks": [task]}
        inference = {"endpoints": [server.url for server in servers], "max_tokens": 12, "tiers": ["camel", "http"]}
        scenario = Scenario.model_validate({**data, "inference": inference, **keys})
        return Plan(scenario, Roster(name="tiny", base_model=BASE, models=tuple(rows)))

    return make


def own_adapters(rows: pd.DataFrame, who: str) -> bool:
    return bool((rows[who].astype(str) == "m_" + rows["adapter"].astype(str)).all())


def assert_whole(run: Run, players: int) -> None:
    """Check that every message and decision is there once, in the tables and in OASIS."""
    messages, decisions = run.messages, run.decisions
    steps = int(run.episodes["steps"].sum())
    assert len(messages) == len(decisions) == steps * players
    assert not messages.duplicated(["episode", "step", "talk_round", "sender"]).any()
    assert not decisions.duplicated(["episode", "step", "model_id"]).any()
    stored = sqlite3.connect(run.path / "oasis.db").execute("SELECT message_id, content FROM group_messages").fetchall()
    assert stored == list(zip(messages["oasis_message_id"], messages["text"], strict=True))


class TestBothServerTiers:
    @pytest.fixture(scope="class")
    def by_tier(
        self, vllm_server: VLLMServer, make_plan: MakePlan, tmp_path_factory: pytest.TempPathFactory
    ) -> dict[Tier, Run]:
        """The same scenario on each tier."""
        plan, out = make_plan(vllm_server), tmp_path_factory.mktemp("runs")
        return {tier: run_scenario(plan, tier=tier, out=out) for tier in (Tier.CAMEL, Tier.HTTP)}

    @pytest.mark.parametrize("tier", [Tier.CAMEL, Tier.HTTP])
    def test_every_row_has_the_right_provenance(
        self, by_tier: dict[Tier, Run], vllm_server: VLLMServer, tier: Tier
    ) -> None:
        run = by_tier[tier]
        assert_whole(run, 4)
        for rows, who in ((run.messages, "sender"), (run.decisions, "model_id"), (run.calls, "model_id")):
            assert set(rows["tier"]) == {tier.value}
            assert set(rows["endpoint"]) == {vllm_server.url}
            assert set(rows["fallback_from"]) == {""}
            assert own_adapters(rows, who)
        calls = run.calls
        assert (calls["status"] == "ok").all()
        assert calls[["latency", "prompt_tokens", "completion_tokens", "cached_tokens"]].notna().all(axis=None)
        assert (calls["finish_reason"].isin(["stop", "length"])).all()
        assert run.decisions["valid"].all()  # a constrained decision cannot be illegal
        assert run.messages.groupby("sender", observed=True)["text"].first().nunique() == 4

    def test_replay_needs_no_server(self, by_tier: dict[Tier, Run], tmp_path: Path) -> None:
        replay = replay_run(by_tier[Tier.HTTP].path, out=tmp_path)
        assert replay.log_identical
        assert replay.tables_identical

    def test_cached_run_makes_no_call(self, vllm_server: VLLMServer, make_plan: MakePlan, tmp_path: Path) -> None:
        plan, options, cache = make_plan(vllm_server), {"tier": Tier.HTTP}, tmp_path / "cache"
        first, again = (run_scenario(plan, **options, out=tmp_path, cache=cache) for _ in range(2))
        assert set(first.calls["status"]) == {"ok"}
        assert set(again.calls["status"]) == {"cached"}
        assert list(first.messages["text"]) == list(again.messages["text"])
        assert list(first.messages["latency"]) == list(again.messages["latency"])


class Disturbance:
    """Kills and restarts a server during a run, at given events."""

    def __init__(self, server: VLLMServer, kill_after: int) -> None:
        self._server, self._kill_after = server, kill_after
        self._pool = ThreadPoolExecutor(1)
        self._restart: Future[None] | None = None
        self._steps = 0
        self.back_at: int | None = None
        self.used_again = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, CallMade) and self.back_at is not None:
            self.used_again += event.record.endpoint == self._server.url and event.record.reply is not None
        if not isinstance(event, StepResolved):
            return
        self._steps += 1
        if self._steps == self._kill_after:
            self._server.kill()
        if self._steps == self._kill_after + 5:
            self._restart = self._pool.submit(self._server.restart, STARTUP)
        if self._steps == self._kill_after + 10 and self._restart is not None:
            self._restart.result()  # no call is in flight between steps: the run waits until the server is back
            self.back_at = self._steps
        if self.back_at is not None and not self.used_again:
            time.sleep(0.5)  # time for the health check to notice it


def test_server_killed_during_a_run_is_used_again(
    vllm_server: VLLMServer, second_vllm_server: VLLMServer, make_plan: MakePlan, tmp_path: Path
) -> None:
    disturbance = Disturbance(second_vllm_server, kill_after=4)
    plan = make_plan(vllm_server, second_vllm_server, steps=40)
    try:
        run = run_scenario(plan, out=tmp_path, on_event=disturbance)
    finally:
        if not second_vllm_server.healthy():
            second_vllm_server.restart(STARTUP)
    assert_whole(run, 4)
    # the tier http was also allowed: calls moved to the other server before a fallback
    assert set(run.messages["tier"]) == set(run.decisions["tier"]) == {Tier.CAMEL.value}
    calls = run.calls
    before = calls[(calls["step"] < 4) & (calls["status"] == "ok")]
    assert set(before["endpoint"]) == {vllm_server.url, second_vllm_server.url}
    lost = calls[(calls["endpoint"] == second_vllm_server.url) & (calls["status"] == "failed")]
    assert len(lost) > 0
    assert set(lost["error_class"]) == {"ServerLostError"}
    keys = ["episode", "step", "model_id", "purpose", "talk_round", "ask"]
    moved = lost.merge(calls[calls["status"] == "ok"], on=keys, suffixes=("", "_then"))
    assert len(moved) == len(lost)
    assert set(moved["endpoint_then"]) == {vllm_server.url}
    assert (moved["attempt_then"] > moved["attempt"]).all()
    assert disturbance.used_again > 0


async def test_doctor_reports_a_real_server_as_ok(vllm_server: VLLMServer, make_plan: MakePlan) -> None:
    found = await examine(DoctorCase.of(make_plan(vllm_server)))
    assert not [each for each in found if each.verdict is Verdict.FAILURE]
    said = {each.subject: each.finding for each in found}
    assert "vLLM 0.32" in said[vllm_server.url]
    assert said["camel"].startswith("one token of ada")
