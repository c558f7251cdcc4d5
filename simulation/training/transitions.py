"""The linear equations of a game's graph for one profile: x = b + c A x, and those of the transposed matrix.

Source: Puterman, Markov Decision Processes (1994).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulation.metrics.arrays import Matrix, Vector
from simulation.training.best_response import JointMoves

_DENSE = 200  # nodes up to which a dense matrix is faster


class TransitionSolver:
    """Solves x = b + c A x, and its transpose.

    Args:
        moves: The joint moves of a game.
        likely: The probability of each joint move in its node; A are the transitions by these.
        factor: c; by default the game's discount.
    """

    def __init__(self, moves: JointMoves, likely: Vector, factor: float | None = None) -> None:
        goes = moves.children >= 0
        entries = (moves.discount if factor is None else factor) * likely[goes]
        places = (moves.parents[goes], moves.children[goes])
        small = len(moves.starts) <= _DENSE
        self._solve = (_dense if small else _sparse)(entries, places, len(moves.starts))

    def solve(self, right: Matrix) -> Matrix:
        """Return x = b + c A x for b = `right`; columns are solved apart."""
        return self._solve(right, False)

    def solve_transposed(self, right: Vector) -> Vector:
        """Return x = b + c A' x for b = `right`."""
        return self._solve(right, True)


_Places = tuple[np.ndarray, np.ndarray]
_Solve = Callable[[Matrix, bool], Matrix]


def _dense(entries: Vector, places: _Places, size: int) -> _Solve:
    matrix = np.eye(size)
    np.subtract.at(matrix, places, entries)
    inverse = np.linalg.inv(matrix)
    return lambda right, transposed: np.asarray((inverse.T if transposed else inverse) @ right)


def _sparse(entries: Vector, places: _Places, size: int) -> _Solve:
    from scipy.sparse import csc_matrix, identity
    from scipy.sparse.linalg import splu

    matrix: csc_matrix = csc_matrix((entries, places), shape=(size, size))
    factored = splu(csc_matrix(identity(size) - matrix))
    return lambda right, transposed: np.asarray(factored.solve(right, trans="T" if transposed else "N"))
