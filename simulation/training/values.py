"""What players earn in a game by given probabilities, its gradient, and how the gradient changes along a direction.

    V = r + d A V        r, A: expected payoffs and transitions of a step; d: the chance that another step follows

Everything is exact. The change of the gradient is found by differentiating the equations once more: the derivative of
x = M^-1 b is M^-1 (db - dM x).

Sources: Puterman, Markov Decision Processes (1994); Sutton et al., NeurIPS 1999, for the gradient; Pearlmutter, Neural
Computation 6 (1994), for the product of a matrix of second derivatives with a vector.
"""

from __future__ import annotations

import numpy as np

from simulation.metrics.arrays import Matrix, Vector
from simulation.training.best_response import NO_CHOICE, JointMoves
from simulation.training.transitions import TransitionSolver


class GameValues:
    """Values and derivatives of one profile.

    Args:
        moves: The joint moves of a game.
        chances: The probability of each place; that of `NO_CHOICE` is 1.
    """

    def __init__(self, moves: JointMoves, chances: Vector) -> None:
        self.moves, self.chances = moves, chances
        self._parts: Matrix = chances[moves.places]
        self.likely: Vector = self._parts.prod(axis=1)
        self._solver = TransitionSolver(moves, self.likely)
        self.values: Matrix = self._solver.solve(self._in_nodes(self.likely[:, None] * moves.payoffs))
        self.visits: Vector = self._solver.solve_transposed(moves.starts)

    @property
    def payoffs(self) -> Vector:
        """The expected payoff of each player over an episode, discounted."""
        return np.asarray(self.moves.starts @ self.values)

    def worth(self, player: int) -> Vector:
        """Return what each joint move brings `player`: its payoff, and the value of what follows."""
        following = np.append(self.values[:, player], 0.0)[self.moves.children]  # child -1 is the end
        return np.asarray(self.moves.payoffs[:, player] + self.moves.discount * following)

    def advantage(self, player: int) -> Vector:
        """Return what each joint move brings `player` more than its node is worth."""
        return np.asarray(self.worth(player) - self.values[self.moves.parents, player])

    def gradient(self, player: int) -> Vector:
        """Return the derivative of `player`'s payoff by the probability of each place."""
        return self.of_places(self.visits[self.moves.parents] * self.worth(player))

    def of_places(self, by_move: Vector) -> Vector:
        """Return the derivative of the sum of likely moves times `by_move` by the probability of each place."""
        found = np.zeros(len(self.chances))
        for player in range(self._parts.shape[1]):
            np.add.at(found, self.moves.places[:, player], by_move * self._others(player))
        found[NO_CHOICE] = 0.0
        return found

    def gradient_change(self, player: int, direction: Vector) -> Vector:
        """Return how `gradient(player)` changes when the probabilities move along `direction`: H times direction."""
        moves, steps = self.moves, direction[self.moves.places]
        likely = sum(steps[:, other] * self._others(other) for other in range(steps.shape[1]))
        worth = self.worth(player)
        values = self._solver.solve(self._in_nodes(likely * worth))
        visits = self._solver.solve_transposed(self._onward(moves.discount * likely * self.visits[moves.parents]))
        later = moves.discount * np.append(values, 0.0)[moves.children]
        found = self.of_places(visits[moves.parents] * worth + self.visits[moves.parents] * later)
        reached = self.visits[moves.parents] * worth
        for other in range(steps.shape[1]):
            np.add.at(found, moves.places[:, other], reached * self._others_change(other, steps))
        found[NO_CHOICE] = 0.0
        return found

    def _others(self, player: int) -> Vector:
        """Return for each joint move how likely all but `player` make their part of it."""
        return np.asarray(np.delete(self._parts, player, axis=1).prod(axis=1))

    def _others_change(self, player: int, steps: Matrix) -> Vector:
        """Return how `_others(player)` changes along `steps`, which are given by move and player."""
        players = range(self._parts.shape[1])
        changed = np.zeros(len(steps))
        for other in players:
            if other != player:
                changed += steps[:, other] * np.delete(self._parts, [player, other], axis=1).prod(axis=1)
        return changed

    def _in_nodes(self, by_move: Matrix) -> Matrix:
        """Return the sum over the moves of each node."""
        found = np.zeros((len(self.moves.starts), *by_move.shape[1:]))
        np.add.at(found, self.moves.parents, by_move)
        return found

    def _onward(self, by_move: Vector) -> Vector:
        """Return the sum over the moves that lead to each node."""
        found, goes = np.zeros(len(self.moves.starts)), self.moves.children >= 0
        np.add.at(found, self.moves.children[goes], by_move[goes])
        return found
