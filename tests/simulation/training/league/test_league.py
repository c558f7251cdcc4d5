"""A league from its beginning to its end: rounds, ledger, tables, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.problems import InvalidFileError, UsageError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.sections.league import LeagueSolver
from simulation.training.league.population import PolicyPopulation
from simulation.training.ledger import LEDGER, Ledger
from simulation.training.run import begin_training, train
from simulation.training.tables import load_training
from tests.integration.vllm.tiny_model import tiny_model
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures
PlanOf = Callable[..., Plan]
BLOTTO = {"task_id": "t", "task_type": "blotto", "max_steps": 1, "parameters": {"force": 4, "fields": 3}}
FISTS = {"task_id": "t", "task_type": "matrix_game", "max_steps": 1}


def league_plan(training_plan: PlanOf, task: dict[str, Any] = BLOTTO, training: Any = (), **league: Any) -> Plan:
    settings = {"league": {"oracle_updates": 4, **league}, "adapter": {"learning_rate": 60}, **dict(training)}
    return training_plan(tasks=[task], training=settings)


def digests(folder: Path) -> list[str]:
    return [made.digest for line in Ledger(folder).lines for made in line.learners.values()]


@pytest.mark.parametrize("solver", LeagueSolver)
def test_league_adds_a_policy_a_round_until_nash_conv_is_low(
    training_plan: PlanOf, tmp_path: Path, solver: LeagueSolver
) -> None:
    folder = begin_training(league_plan(training_plan, solver=solver.value, oracle_updates=20, most=4), tmp_path)
    train(folder)
    league = load_training(folder).league
    assert league is not None
    rounds = league.rounds.groupby("round").first()
    assert rounds["policies"].tolist() == list(range(1, len(rounds) + 1))
    assert rounds["update"].tolist() == [20 * number for number in range(len(rounds))]
    assert (rounds["nash_conv"] < 0.05).tolist()[:-1] == [False] * (len(rounds) - 1)
    if solver is LeagueSolver.NASH:
        assert rounds["nash_conv"].iloc[-1] < 0.05
    assert (league.rounds["gain"].dropna() > 0.05).all()
    assert len(league.rounds["gain"].dropna()) == 2 * (len(rounds) - 1)


def test_gain_is_a_lower_bound_of_what_can_be_gained(training_plan: PlanOf, tmp_path: Path) -> None:
    folder = begin_training(league_plan(training_plan, epsilon=0.0, most=4, oracle_updates=10), tmp_path)
    train(folder)
    league = load_training(folder).league
    assert league is not None
    sums = league.rounds.groupby("round")[["gain", "nash_conv"]].agg({"gain": "sum", "nash_conv": "first"})
    assert len(sums) == 4
    assert sums["gain"].max() > 0.1
    for number in range(1, len(sums)):
        assert sums["gain"][number] <= sums["nash_conv"][number - 1] + 1e-9


def test_league_that_is_cut_off_anywhere_ends_in_the_same_versions(training_plan: PlanOf, tmp_path: Path) -> None:
    plan = league_plan(training_plan, most=4, epsilon=0.0)
    whole, parts = begin_training(plan, tmp_path), begin_training(plan, tmp_path)
    train(whole)
    for updates in range(1, 13):
        train(parts, updates=updates)
        if updates % 5 == 0:
            cut = (parts / LEDGER).read_bytes()[:-20]
            (parts / LEDGER).write_bytes(cut)
    train(parts)
    assert digests(parts) == digests(whole)
    assert [line.league for line in Ledger(parts).lines] == [line.league for line in Ledger(whole).lines]
    assert len(Ledger(whole).lines) == 13


def test_each_round_begins_with_the_first_version(training_plan: PlanOf, tmp_path: Path) -> None:
    folder = begin_training(league_plan(training_plan, most=3, epsilon=0.0), tmp_path)
    ledger = train(folder)
    first = ledger.lines[0].learners["ann"].version
    parents = [line.learners["ann"].parent for line in ledger.lines]
    assert [update for update, parent in enumerate(parents) if parent == first] == [1, 5]


def test_league_table_holds_policies_and_payoffs(training_plan: PlanOf, tmp_path: Path) -> None:
    folder = begin_training(league_plan(training_plan, most=3, epsilon=0.0), tmp_path)
    train(folder)
    league = load_training(folder).league
    assert league is not None
    assert league.policies.groupby("learner")["probability"].sum().tolist() == pytest.approx([1, 1])
    assert league.policies["update"].unique().tolist() == [0, 4, 8]
    payoffs, others = league.payoffs("ann").to_numpy(), league.payoffs("bo").to_numpy()
    assert payoffs.shape == (3, 3)
    assert payoffs + others.T == pytest.approx(np.full((3, 3), 3.0))  # three fields are always paid out
    mixture = league.mixture
    value = np.array(mixture["ann"]) @ payoffs @ np.array(mixture["bo"])
    last = league.rounds[(league.rounds["round"] == 2) & (league.rounds["learner"] == "ann")]
    assert last["value"].tolist() == pytest.approx([value])


def test_league_ends_at_once_where_nobody_can_gain(training_plan: PlanOf, tmp_path: Path) -> None:
    """Undecided play is the equilibrium of rock, paper, scissors."""
    folder = begin_training(league_plan(training_plan, FISTS), tmp_path)
    assert len(train(folder).lines) == 1


def test_league_without_a_known_best_response_ends_by_its_gain(
    training_plan: PlanOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PolicyPopulation, "nash_conv", lambda *_: None)
    folder = begin_training(league_plan(training_plan, oracle_updates=20), tmp_path)
    train(folder)
    league = load_training(folder).league
    assert league is not None
    assert league.rounds["nash_conv"].isna().all()
    sums = league.rounds.dropna(subset="gain").groupby("round")["gain"].sum()
    assert sums.iloc[-1] < 0.05
    assert (sums.iloc[:-1] >= 0.05).all()
    assert len(sums) > 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"training": {"method": "lola"}}, "league.*needs a method that learns"),
        ({"solver": "elo"}, "league.solver"),
        ({"most": 1}, "league.most"),
    ],
)
def test_league_section_is_checked(training_plan: PlanOf, keys: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidFileError, ValueError), match=message):
        league_plan(training_plan, **keys)


def test_league_of_three_is_refused(training_plan: PlanOf) -> None:
    rows = tuple(ModelConfig(model_id=name, policy="tabular") for name in ("ann", "bo", "cy"))
    training = {"learners": {row.model_id: {} for row in rows}, "league": {}}
    with pytest.raises((InvalidFileError, ValueError), match="is of two learners"):
        training_plan(rows=rows, tasks=[{**BLOTTO, "task_type": "public_goods", "parameters": {}}], training=training)


def test_league_of_a_game_that_may_end_early_is_refused(training_plan: PlanOf, tmp_path: Path) -> None:
    task = {"task_id": "t", "task_type": "bargaining", "max_steps": 3}
    with pytest.raises(UsageError, match="length does not depend on play"):
        begin_training(league_plan(training_plan, task), tmp_path)


def test_show_prints_the_rounds(training_plan: PlanOf, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = begin_training(league_plan(training_plan, most=2), tmp_path)
    train(folder)
    code, out, _ = society(capsys, "train", "show", str(folder))
    assert code == 0
    assert "NashConv" in out


@pytest.mark.slow
def test_league_of_real_adapters_ends_near_the_equilibrium(training_plan: PlanOf, tmp_path: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, model_name="base") for name in ("ann", "bo"))
    training = {
        "base_model": str(tiny_model().base),
        "league": {"oracle_updates": 5, "most": 8},
        "adapter": {"learning_rate": 1e-2, "rank": 4, "modules": "all"},
    }
    folder = begin_training(training_plan(rows=rows, tasks=[FISTS], training=training), tmp_path)
    train(folder)
    league = load_training(folder).league
    assert league is not None
    conv = league.rounds.groupby("round")["nash_conv"].first()
    assert conv.iloc[0] > 0.1
    assert conv.iloc[-1] < 0.05
