"""What each objective counts."""

from __future__ import annotations

import pytest

from agents.problems import SocietyError
from agents.strategy import TrainingMode
from simulation.seats import Seat
from simulation.sections.training import LearnerConfig, TrainingObjective
from simulation.training.objectives import objective_of, payoff_weights

SEATS = (
    Seat("a", "red"),
    Seat("b", "red"),
    Seat("c", "blue"),
    Seat("d", "blue"),
    Seat("e", "green"),
    Seat("f", "green"),
)


@pytest.mark.parametrize(
    ("objective", "weights"),
    [
        (TrainingObjective.OWN, [0, 1, 0, 0, 0, 0]),
        (TrainingObjective.SHARED, [1 / 6] * 6),
        (TrainingObjective.TEAM, [0.5, 0.5, -0.25, -0.25, -0.25, -0.25]),
    ],
)
def test_payoff_weights_of_each_objective(objective: TrainingObjective, weights: list[float]) -> None:
    assert payoff_weights(objective, 1, SEATS) == pytest.approx(weights)


def test_team_objective_needs_a_team_and_opponents() -> None:
    for seats in ((Seat("a"), Seat("b", "red")), (Seat("a", "red"), Seat("b", "red"))):
        with pytest.raises(SocietyError, match="a team of its own and another"):
            payoff_weights(TrainingObjective.TEAM, 0, seats)


def test_objective_is_the_learners_or_that_of_the_mode() -> None:
    assert objective_of(LearnerConfig(), TrainingMode.COOPERATIVE) is TrainingObjective.SHARED
    assert objective_of(LearnerConfig(), TrainingMode.COMPETITIVE) is TrainingObjective.OWN
    assert objective_of(LearnerConfig(), TrainingMode.TEAM_BATTLE) is TrainingObjective.TEAM
    own = LearnerConfig(objective=TrainingObjective.OWN)
    assert objective_of(own, TrainingMode.COOPERATIVE) is TrainingObjective.OWN
