"""Whether models give back what they got, from players whose rule is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.inference.provenance import Provenance, Reply, Request, Tier
from agents.roster import ModelConfig
from simulation.metrics.reciprocation import reciprocation
from simulation.plan import Plan
from simulation.runs.runner import play_plan, run_scenario

MakePlan = Callable[..., Plan]
ROWS = (ModelConfig(model_id="ada", model_name="cooperator"), ModelConfig(model_id="rita", policy="random_50"))
TASK = {"task_id": "pd", "task_type": "prisoners_dilemma", "max_steps": 60}


async def _tit_for_tat(request: Request) -> Reply:
    last = request.situation.observation.others_last if request.situation else None
    choice = (request.choices or ("",))[0 if last is None or last > 0.5 else 1]
    return Reply(choice, Provenance(Tier.SIMULATED, "stub"))


def plan_of(make_plan: MakePlan, rows: tuple[ModelConfig, ...] = ROWS) -> Plan:
    silent = {"talk_rounds": 0}
    return make_plan(rows=rows, mode="cooperative", episodes=2, tasks=[TASK], communication=silent)


def test_reciprocation_of_tit_for_tat_is_one(make_plan: MakePlan, runs: Path) -> None:
    run = run_scenario(plan_of(make_plan), responders={"ada": _tit_for_tat}, out=runs)
    found = reciprocation(run)
    assert found is not None
    assert found["lag1"] == pytest.approx(1)
    assert abs(found["lag2"]) < 0.4  # a partner that draws: two steps before says nothing; 4 standard errors


def test_reciprocation_of_one_who_draws_is_about_nothing(make_plan: MakePlan, runs: Path) -> None:
    found = reciprocation(play_plan(plan_of(make_plan), out=runs))
    assert found is not None
    assert abs(found["lag1"]) < 0.4


def test_reciprocation_needs_two_players(make_plan: MakePlan, runs: Path) -> None:
    assert reciprocation(play_plan(make_plan(), out=runs)) is None
