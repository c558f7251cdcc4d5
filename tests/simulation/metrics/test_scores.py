"""Score matrices of runs: which rows enter, and what is a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError
from simulation.metrics.comparable import MixedTiersError, comparable_rows, tiers
from simulation.metrics.messages import answer_structure, messages_of
from simulation.metrics.scores import ScoreFigure, payoff_gini, score_matrix, summarise
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run

TASKS = [
    {"task_id": "goods", "task_type": "public_goods", "max_steps": 2},
    {"task_id": "pairs", "task_type": "prisoners_dilemma", "max_steps": 2},
]


@pytest.fixture
def play(make_plan: Callable[..., Plan], runs: Path) -> Callable[..., Run]:
    return lambda **keys: run_scenario(make_plan(**{"tasks": TASKS, "episodes": 3, **keys}), out=runs)


def test_a_row_is_a_pass_through_the_tasks_and_a_column_a_task(play: Callable[..., Run]) -> None:
    run = play()
    scores = score_matrix([run], ScoreFigure.EFFICIENCY)
    assert scores.values.shape == (3, 2)
    assert scores.tasks == ("goods", "pairs")
    assert scores.clusters == (0, 1, 2)
    first = run.outcomes[(run.outcomes["episode"] == 0)]
    assert scores.values[0, 0] == pytest.approx(first["efficiency"].mean())


def test_one_models_scores_are_its_own(play: Callable[..., Run]) -> None:
    run = play()
    scores = score_matrix([run], ScoreFigure.COOPERATION, "m0")
    own = run.outcomes[run.outcomes["model_id"] == "m0"].set_index("episode")["cooperation_score"]
    assert scores.values.ravel().tolist() == own.sort_index().tolist()


def test_runs_of_several_seeds_are_clustered_by_seed(play: Callable[..., Run]) -> None:
    runs = [play(seed=seed) for seed in (1, 2)]
    assert score_matrix(runs, ScoreFigure.ACCURACY).clusters == (1, 1, 1, 2, 2, 2)


def test_a_replay_of_the_same_seed_adds_no_independent_unit(play: Callable[..., Run]) -> None:
    run = play(seed=1)
    assert summarise(score_matrix([run, run], ScoreFigure.ACCURACY))["iqm"].n == 3


def test_a_summary_has_an_interval_around_every_value(play: Callable[..., Run]) -> None:
    summary = summarise(score_matrix([play()], ScoreFigure.COOPERATION))
    assert set(summary) == {"iqm", "mean", "optimality_gap"}
    assert all(each.low <= each.value <= each.high and each.n == 3 for each in summary.values())
    assert summary["mean"].value + summary["optimality_gap"].value == pytest.approx(1)


def test_synthetic_rows_enter_only_when_asked(play: Callable[..., Run]) -> None:
    run = play(tasks=[*TASKS, {"task_id": "words", "task_type": "strategy", "max_steps": 1}])
    assert score_matrix([run], ScoreFigure.EFFICIENCY).tasks == ("goods", "pairs")
    assert score_matrix([run], ScoreFigure.EFFICIENCY, synthetic=True).tasks == ("goods", "pairs", "words")
    assert {message.episode % 3 for message in messages_of(run)} == {0, 1}
    assert {message.episode % 3 for message in messages_of(run, synthetic=True)} == {0, 1, 2}


def test_tiers_are_mixed_only_when_asked(play: Callable[..., Run]) -> None:
    rows = play().outcomes.astype({"tier": str})
    rows.loc[rows.index[0], "tier"] = "http"
    with pytest.raises(MixedTiersError, match="http, simulated"):
        comparable_rows(rows)
    assert len(comparable_rows(rows, mix_tiers=True)) == len(rows)


def test_scripted_players_go_with_any_tier(play: Callable[..., Run]) -> None:
    rows = play().outcomes.astype({"tier": str})
    rows.loc[rows.index[0], "tier"] = "scripted"
    assert len(comparable_rows(rows)) == len(rows)
    assert tiers(rows) == ("simulated",)
    assert tiers(rows.iloc[:1]) == ("scripted",)


def test_a_model_that_did_not_play_is_told(play: Callable[..., Run]) -> None:
    with pytest.raises(SocietyError, match="no accuracy of zed"):
        score_matrix([play()], ScoreFigure.ACCURACY, "zed")


def test_team_mates_answer_each_other_and_no_one_else(play: Callable[..., Run]) -> None:
    structure = answer_structure(messages_of(play(mode="team_battle")))
    assert structure.communities == (("m0", "m2"), ("m1", "m3"))
    assert structure.reciprocity == 1.0


def test_gini_refuses_negative_payoffs() -> None:
    assert payoff_gini([1, 1]) == 0
    assert payoff_gini([0, 4]) == 0.5
    with pytest.raises(SocietyError, match="floor"):
        payoff_gini([-1, 1])
