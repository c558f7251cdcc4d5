"""Survival and sustainability of the commons, by hand and on runs of known players."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.metrics.commons import (
    Lifetime,
    harvests,
    kaplan_meier,
    lifetimes,
    survival_rate,
    survival_time,
    sustainability,
)
from simulation.metrics.intervals import UNIT, mean_interval
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run

Play = Callable[..., Run]


@pytest.fixture
def fishery(make_plan: Callable[..., Plan], runs: Path) -> Play:
    """GovSim's fishery, five players of one policy, twelve steps."""

    def play(policy: str) -> Run:
        rows = tuple(ModelConfig(model_id=f"p{i}", policy=policy) for i in range(5))
        task = {"task_id": "lake", "task_type": "commons", "max_steps": 12}
        return run_scenario(make_plan(rows=rows, mode="cooperative", tasks=[task], episodes=2), out=runs)

    return play


def test_lifetimes_of_restraint_and_of_greed(fishery: Play) -> None:
    gentle, greedy = fishery("always_cooperate"), fishery("always_defect")
    assert lifetimes(gentle) == (Lifetime(12, False),) * 2
    assert lifetimes(greedy) == (Lifetime(1, True),) * 2
    assert (survival_rate(lifetimes(gentle)), survival_time(lifetimes(gentle))) == (1.0, 12.0)
    assert (survival_rate(lifetimes(greedy)), survival_time(lifetimes(greedy))) == (0.0, 1.0)
    assert sustainability(harvests(gentle)) == 1.0
    assert sustainability(harvests(greedy)) == 0.0
    assert len(harvests(gentle)) == 2 * 12 * 5


def test_kaplan_meier_by_hand() -> None:
    lives = [Lifetime(1, True), Lifetime(2, False), Lifetime(3, True), Lifetime(3, True), Lifetime(5, False)]
    points = kaplan_meier(lives)
    assert [(point.step, point.at_risk, point.collapsed) for point in points] == [(1, 5, 1), (3, 3, 2)]
    assert [point.survival.value for point in points] == pytest.approx([4 / 5, 4 / 5 * 1 / 3])
    assert {point.survival.why for point in points} == {"too few episodes: 5, need 6"}


def test_kaplan_meier_interval_without_censoring_is_of_a_share() -> None:
    (point,) = kaplan_meier([*[Lifetime(1, True)] * 3, *[Lifetime(2, False)] * 5])
    share = mean_interval([0.0] * 3 + [1.0] * 5, bounds=UNIT)
    assert (point.survival.low, point.survival.high) == pytest.approx((share.low, share.high))


def test_kaplan_meier_without_censoring_is_the_share_alive() -> None:
    lives = [Lifetime(step, True) for step in (1, 2, 2, 4)]
    assert [point.survival.value for point in kaplan_meier(lives)] == pytest.approx([0.75, 0.25, 0.0])


def test_commons_that_all_collapsed_may_survive_once_in_a_while() -> None:
    survival = kaplan_meier([Lifetime(1, True)] * 10)[-1].survival
    assert (survival.low, survival.value) == (0.0, 0.0)
    assert 0.1 < survival.high < 0.3


def test_kaplan_meier_without_collapse_has_no_step() -> None:
    assert kaplan_meier([Lifetime(12, False)]) == ()


def test_run_without_commons_is_refused(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    with pytest.raises(SocietyError, match="no finished commons"):
        survival_rate(lifetimes(run))
    with pytest.raises(SocietyError, match="no valid commons harvest"):
        sustainability(harvests(run))
