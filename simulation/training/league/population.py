"""Two learners' populations of policies in one game: what they earn, and how much a best response to a mixture gains.

A policy is a table: the probability of each place of the learner's prompts. A mixture draws one policy for a whole
episode. Everything is exact.

Source: Lanctot et al., NeurIPS 2017, for NashConv of a mixture of policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.training.best_response import JointMoves, best_response
from simulation.training.values import GameValues

Mixture = Mapping[str, Vector]
"""By learner, the probability of each of its policies."""


@dataclass(frozen=True)
class PolicyPopulation:
    """The policies of two learners.

    Attributes:
        moves: The joint moves; a learner's column of payoffs is what its objective earns per step.
        players: Each learner's number.
        tables: By learner its policies: the probability of each place of its prompts, 0 at other places.
    """

    moves: JointMoves
    players: Mapping[str, int]
    tables: Mapping[str, Sequence[Vector]]

    def other(self, learner: str) -> str:
        """Return the other learner."""
        (name,) = (name for name in self.players if name != learner)
        return name

    def values(self, learner: str, table: Vector, against: int) -> GameValues:
        """Return what everyone earns when a learner plays a table against a policy of the other, by its place."""
        chances = table + self.tables[self.other(learner)][against]
        chances[0] = 1.0
        return GameValues(self.moves, chances)

    def payoffs(self, learner: str) -> Matrix:
        """Return what each policy of a learner (rows) earns against each of the other (columns)."""
        others = range(len(self.tables[self.other(learner)]))
        rows = [[self.earned(learner, table, place) for place in others] for table in self.tables[learner]]
        return np.array(rows)

    def earned(self, learner: str, table: Vector, against: int) -> float:
        """Return what a learner earns with a table against a policy of the other."""
        return float(self.values(learner, table, against).payoffs[self.players[learner]])

    def against(self, learner: str, table: Vector, mixture: Mixture) -> float:
        """Return what a learner earns with a table against the other's mixture."""
        met = mixture[self.other(learner)]
        return sum(float(chance) * self.earned(learner, table, place) for place, chance in enumerate(met) if chance)

    def value(self, learner: str, mixture: Mixture) -> float:
        """Return what a learner earns when both draw from their mixtures."""
        return float(mixture[learner] @ self.payoffs(learner) @ mixture[self.other(learner)])

    def slopes(self, learner: str, table: Vector, mixture: Mixture) -> Vector:
        """Return the derivative of what a learner earns against the other's mixture by each place of its table."""
        found, met = np.zeros(len(table)), mixture[self.other(learner)]
        for place in np.flatnonzero(met).tolist():
            found += met[place] * self.values(learner, table, place).gradient(self.players[learner])
        return found

    def best_response(self, learner: str, mixture: Mixture) -> float:
        """Return the most that a learner can earn against the other's mixture, by what it observes.

        It does not see which policy was drawn. So each policy is a copy of the game, in which an episode begins with
        the policy's probability, and a prompt is the same in all copies.

        Raises:
            SocietyError: It is not known exactly, as `simulation.training.best_response`.
        """
        player, met = self.players[learner], mixture[self.other(learner)]
        used = np.flatnonzero(met).tolist()
        others = []
        for place in used:
            chances = self.tables[self.other(learner)][place].copy()
            chances[0] = 1.0
            parts = np.delete(chances[self.moves.places], player, axis=1)
            others.append(parts.prod(axis=1))
        return float(best_response(copies(self.moves, met[used]), np.concatenate(others), player).value)

    def nash_conv(self, mixture: Mixture) -> float | None:
        """Return the sum over learners of what a best response earns more; None where it is not known exactly."""
        try:
            gains = [self.best_response(name, mixture) - self.value(name, mixture) for name in self.players]
        except SocietyError:
            return None
        return sum(max(0.0, gain) for gain in gains)


def copies(moves: JointMoves, weights: Vector) -> JointMoves:
    """Return a game that begins in one of several copies of it with a probability each."""
    count, size, rows = len(weights), len(moves.starts), len(moves.parents)
    shift = np.repeat(np.arange(count) * size, rows)
    children = np.tile(moves.children, count)
    return replace(
        moves,
        parents=np.tile(moves.parents, count) + shift,
        children=np.where(children < 0, -1, children + shift),
        payoffs=np.tile(moves.payoffs, (count, 1)),
        places=np.tile(moves.places, (count, 1)),
        steps=None if moves.steps is None else np.tile(moves.steps, count),
        starts=np.concatenate([weight * moves.starts for weight in weights]),
    )
