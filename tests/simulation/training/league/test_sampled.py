"""A league that plays: answers by `reinforce`, payoffs by matches, which agree with what can be computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import InvalidFileError, UsageError
from simulation.plan import Plan, Settings, make_plan
from simulation.sections.training import TrainingMethod
from simulation.training.fork import fork_training
from simulation.training.league.rounds import LeagueGame
from simulation.training.league.sampled import divided
from simulation.training.ledger import LEDGER, Ledger
from simulation.training.run import begin_training, train, trainer_of
from simulation.training.shipped import shipped_trainings
from simulation.training.tables import Training, load_training

PlanOf = Callable[..., Plan]
PENNIES = {"task_id": "t", "task_type": "matrix_game", "max_steps": 1}
BIASED = {"actions": {"row": ["a", "b"], "column": ["a", "b"]}, "payoffs": [[[3, 0], [0, 3]], [[0, 1], [1, 0]]]}
LEAGUE = {"oracle_updates": 3, "most": 3, "epsilon": 0.0, "width": 1.5, "matches": 24}


def sampled_plan(training_plan: PlanOf, **league: Any) -> Plan:
    training = {
        "method": "reinforce",
        "episodes": 12,
        "league": {**LEAGUE, **league},
        "adapter": {"learning_rate": 8.0},
    }
    return training_plan(tasks=[{**PENNIES, "parameters": BIASED}], training=training)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Training:
    from tests.simulation.training.conftest import small_plan

    folder = begin_training(sampled_plan(small_plan), tmp_path_factory.mktemp("league"))
    train(folder)
    return load_training(folder)


def test_rounds_add_policies_and_estimate_every_pair(trained: Training) -> None:
    league = trained.league
    assert league is not None
    assert league.rounds.groupby("round")["policies"].first().to_dict() == {1: 2, 2: 3}
    assert league.rounds["nash_conv"].isna().all()
    assert league.payoffs("ann").shape == (3, 3)
    assert len(league.matches) == 2 * 9
    assert league.matches["episodes"].between(6, 24).all()
    np.testing.assert_allclose([sum(chances) for chances in league.mixture.values()], 1)


def test_estimated_payoffs_hold_the_computed_ones(trained: Training) -> None:
    config = trained.plan.scenario.training
    assert config is not None
    exact_config = config.model_copy(update={"method": TrainingMethod.EXACT})
    plan = Plan(trained.plan.scenario.model_copy(update={"training": exact_config}), trained.plan.roster)
    game, trainer, policies = LeagueGame(plan), trainer_of(plan), []
    for line in (line for line in trained.ledger.lines if line.league):
        for name, made in line.learners.items():
            trainer.load_weights(name, trained.path / "versions" / made.version)
        policies.append(game.rows(trainer))
    exact = game.population(policies).payoffs("ann")
    found = trained.league.matches  # type: ignore[union-attr]
    mine = found[found["learner"] == "ann"].set_index(["first", "second"])
    held = [mine.low[key] - 1e-9 <= exact[key] <= mine.high[key] + 1e-9 for key in mine.index]
    assert np.mean(held) >= 8 / 9


def test_league_that_is_cut_off_goes_on_to_the_same_matches(
    trained: Training, training_plan: PlanOf, tmp_path: Path
) -> None:
    folder = begin_training(sampled_plan(training_plan), tmp_path)
    train(folder, updates=3)
    lines = (folder / LEDGER).read_text().splitlines(keepends=True)
    (folder / LEDGER).write_text("".join(lines[:3]))  # killed as the first round ended
    train(folder)
    assert [(each.learners, each.league) for each in Ledger(folder).lines] == [
        (each.learners, each.league) for each in trained.ledger.lines
    ]


def test_answers_meet_the_mixture_of_the_other(trained: Training) -> None:
    met = trained.opponents
    mixtures = {line.update: line.league["mixture"] for line in trained.ledger.lines if line.league}
    names = {line.update: line.learners for line in trained.ledger.lines if line.league}
    last = met[(met["update"] > 3) & (met["learner"] == "ann")]
    assert set(last["kind"]) == {"league"}
    for version, chance in zip((names[0]["bo"].version, names[3]["bo"].version), mixtures[3]["bo"], strict=True):
        played = last[last["opponent"] == version]["episodes"].sum() / last["episodes"].sum()
        assert abs(played - chance) <= 1 / 12


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8), st.integers(1, 100), st.floats(0, 0.999))
def test_episodes_follow_the_mixture(weights: list[float], episodes: int, offset: float) -> None:
    chances = [weight / sum(weights) for weight in weights]
    counts = divided(chances, episodes, offset)
    assert sum(counts) == episodes
    assert all(abs(count - chance * episodes) < 1 + 1e-6 for count, chance in zip(counts, chances, strict=True))


def test_small_chances_are_met_as_often_as_they_should() -> None:
    met = [divided([0.97, 0.03], 10, offset)[1] for offset in np.linspace(0, 1, 1000, endpoint=False)]
    assert np.mean(met) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"opponents": {"past": 0.5}}, "a league has opponents of its own"),
        ({"parts": 2}, "a league divides the episodes already"),
        ({"method": "lola"}, "needs a method that learns answers"),
        ({"league.matches": 5}, "matches"),
        ({"league.width": 0}, "width"),
    ],
)
def test_league_that_cannot_play_is_refused(setting: dict[str, Any], why: str) -> None:
    settings = {f"training.{key}": value for key, value in {"method": "reinforce", **setting}.items()}
    with pytest.raises(InvalidFileError, match=why):
        make_plan(shipped_trainings()["blotto_league"], Settings(set=settings))


def test_league_is_not_forked(trained: Training, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a league"):
        fork_training(trained.path, 2, tmp_path)
