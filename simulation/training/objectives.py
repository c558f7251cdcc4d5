"""What a learner is trained for: weights over the players' payoffs. Never the shared-out pool, which carries no signal.

| objective | weights | mode |
|---|---|---|
| own | 1 for the learner | competitive |
| shared | 1 / n for each player | cooperative |
| team | the mean of the own team, less the mean of all others | team_battle |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agents.problems import SocietyError
from agents.strategy import TrainingMode
from simulation.metrics.arrays import Vector
from simulation.seats import Seat
from simulation.sections.training import LearnerConfig, TrainingConfig, TrainingObjective

OF_MODE: Mapping[TrainingMode, TrainingObjective] = {
    TrainingMode.COMPETITIVE: TrainingObjective.OWN,
    TrainingMode.COOPERATIVE: TrainingObjective.SHARED,
    TrainingMode.TEAM_BATTLE: TrainingObjective.TEAM,
}
"""The objective of each mode; `mixed` has that of the mode that was drawn for the episode."""


def objective_of(learner: LearnerConfig, mode: TrainingMode) -> TrainingObjective:
    """Return a learner's objective: its own, or that of the mode of the episode."""
    return learner.objective or OF_MODE[mode]


def learner_weights(config: TrainingConfig, seats: Sequence[Seat], mode: TrainingMode) -> dict[str, Vector]:
    """Return by learner how much each player's payoff counts for it, as `payoff_weights`, in the order of the seats."""
    return {
        seat.model_id: payoff_weights(objective_of(config.learners[seat.model_id], mode), player, seats)
        for player, seat in enumerate(seats)
        if seat.model_id in config.learners
    }


def payoff_weights(objective: TrainingObjective, player: int, seats: Sequence[Seat]) -> Vector:
    """Return how much each player's payoff counts for a learner.

    Args:
        objective: The objective.
        player: The learner's place in `seats`.
        seats: All players.

    Raises:
        SocietyError: The objective is team, and the learner has no team or no opponent.
    """
    everyone = len(seats)
    if objective is TrainingObjective.OWN:
        return np.asarray(np.eye(everyone)[player])
    if objective is TrainingObjective.SHARED:
        return np.full(everyone, 1 / everyone)
    team = seats[player].team_id
    own = np.array([seat.team_id == team and team is not None for seat in seats])
    if not own.any() or own.all():
        raise SocietyError(f"{seats[player].model_id}: the objective team needs a team of its own and another one")
    return np.asarray(own / own.sum() - ~own / (~own).sum())
