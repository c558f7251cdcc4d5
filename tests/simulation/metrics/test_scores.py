"""Score matrices of runs: which rows enter, and what is a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import trim_mean

from agents.roster import ModelConfig
from simulation.metrics.arrays import Matrix
from simulation.metrics.comparable import MixedTiersError, comparable_rows, tiers
from simulation.metrics.messages import answer_structure, messages_of
from simulation.metrics.registry import Interval
from simulation.metrics.scores import (
    ScoreFigure,
    iqm,
    mean_score,
    optimality_gap,
    score_interval,
    score_matrix,
)
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run

TASKS = [
    {"task_id": "goods", "task_type": "public_goods", "max_steps": 2},
    {"task_id": "pairs", "task_type": "prisoners_dilemma", "max_steps": 2},
]

matrices = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.floats(-2, 2, width=16))


@pytest.fixture
def play(make_plan: Callable[..., Plan], runs: Path) -> Callable[..., Run]:
    return lambda **keys: run_scenario(make_plan(**{"tasks": TASKS, "episodes": 3, **keys}), out=runs)


def test_score_matrix_has_a_row_per_pass_and_a_column_per_task(play: Callable[..., Run]) -> None:
    run = play()
    scores = score_matrix([run], ScoreFigure.EFFICIENCY)
    assert scores.values.shape == (3, 2)
    assert scores.tasks == ("goods", "pairs")
    assert scores.clusters == (0, 1, 2)
    first = run.outcomes[(run.outcomes["episode"] == 0)]
    assert scores.values[0, 0] == pytest.approx(first["efficiency"].mean())


def test_score_matrix_clusters_runs_by_seed(play: Callable[..., Run]) -> None:
    runs = [play(seed=seed) for seed in (1, 2)]
    assert score_matrix(runs, ScoreFigure.ACCURACY).clusters == (1, 1, 1, 2, 2, 2)


def test_replay_of_a_seed_adds_no_independent_unit(play: Callable[..., Run]) -> None:
    run = play(seed=1)
    interval = score_interval(iqm, score_matrix([run, run], ScoreFigure.ACCURACY))
    assert isinstance(interval, Interval)
    assert interval.n == 3


def test_every_statistic_of_scores_has_an_interval(play: Callable[..., Run]) -> None:
    rows = tuple(ModelConfig(model_id=f"p{number}", policy="random") for number in range(4))
    scores = score_matrix([play(rows=rows, mode="cooperative", episodes=8)], ScoreFigure.EFFICIENCY)
    found = [score_interval(statistic, scores) for statistic in (iqm, mean_score, optimality_gap)]
    for each in found:
        assert isinstance(each, Interval)
        assert each.low < each.value < each.high
        assert each.n == 8
    assert mean_score(scores.values) + optimality_gap(scores.values) == pytest.approx(1)


def test_scores_of_one_pass_have_no_interval(play: Callable[..., Run]) -> None:
    scores = score_matrix([play(episodes=1)], ScoreFigure.COOPERATION)
    found = score_interval(mean_score, scores)
    assert (found.value, found.known) == (mean_score(scores.values), False)
    assert found.why == "too few passes through the tasks: 1, need 6"


@given(matrices)
def test_iqm_is_the_quarter_trimmed_mean_over_runs_and_tasks(scores: Matrix) -> None:
    assert iqm(scores) == pytest.approx(trim_mean(scores, proportiontocut=0.25, axis=None))


def test_iqm_ignores_one_wild_run_and_the_mean_does_not() -> None:
    scores = np.array([[0.5], [0.5], [0.5], [100.0]])
    assert iqm(scores) == 0.5
    assert mean_score(scores) > 25


def test_optimality_gap_counts_nothing_above_the_target() -> None:
    assert optimality_gap(np.array([[0.5, 3.0]])) == pytest.approx(0.25)
    assert optimality_gap(np.array([[1.0, 1.0]])) == 0.0


def test_synthetic_episodes_are_left_out_of_scores(play: Callable[..., Run]) -> None:
    run = play(tasks=[*TASKS, {"task_id": "words", "task_type": "strategy", "max_steps": 1}])
    assert score_matrix([run], ScoreFigure.EFFICIENCY).tasks == ("goods", "pairs")
    assert {message.episode % 3 for message in messages_of(run)} == {0, 1}
    assert {message.episode % 3 for message in messages_of(run, synthetic=True)} == {0, 1, 2}


def test_comparable_rows_mix_tiers_only_when_asked(play: Callable[..., Run]) -> None:
    rows = play().outcomes.astype({"tier": str})
    rows.loc[rows.index[0], "tier"] = "http"
    with pytest.raises(MixedTiersError, match="http, simulated"):
        comparable_rows(rows)
    assert len(comparable_rows(rows, mix_tiers=True)) == len(rows)


def test_comparable_rows_take_scripted_players_with_any_tier(play: Callable[..., Run]) -> None:
    rows = play().outcomes.astype({"tier": str})
    rows.loc[rows.index[0], "tier"] = "scripted"
    assert len(comparable_rows(rows)) == len(rows)
    assert tiers(rows) == ("simulated",)
    assert tiers(rows.iloc[:1]) == ("scripted",)


def test_answer_structure_of_a_team_battle(play: Callable[..., Run]) -> None:
    structure = answer_structure(messages_of(play(mode="team_battle")))
    assert structure.communities == (("m0", "m2"), ("m1", "m3"))
    assert structure.reciprocity == 1.0
