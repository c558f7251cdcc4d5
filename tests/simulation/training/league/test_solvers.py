"""Meta-solvers against brute force: nobody gains by leaving an equilibrium, and shares of time are those of a walk."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.sections.league import LeagueSolver
from simulation.training.league.solvers import (
    GROUP,
    LEAST,
    SELECTION,
    alpha_rank,
    fixation,
    mixtures,
    nash,
    prioritised,
    replicator,
    uniform,
)

ROCK = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def drawn(seed: int, *, zero_sum: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 5, size=2)
    first = rng.normal(size=(rows, columns))
    return first, -first.T if zero_sum else rng.normal(size=(columns, rows))


def gain(first: np.ndarray, second: np.ndarray, mine: np.ndarray, theirs: np.ndarray) -> float:
    """The most that either population gains by any single policy."""
    one = max(float(row @ theirs) for row in first) - float(mine @ first @ theirs)
    return max(one, max(float(row @ mine) for row in second) - float(theirs @ second @ mine))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_nobody_gains_by_leaving_the_nash_mixture(seed: int, zero_sum: bool) -> None:
    first, second = drawn(seed, zero_sum=zero_sum)
    assert gain(first, second, *nash(first, second)) < 1e-6


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10_000))
def test_replicator_average_is_near_an_equilibrium_of_zero_sum(seed: int) -> None:
    first, second = drawn(seed, zero_sum=True)
    assert gain(first, second, *replicator(first, second)) < 0.03 * max(1.0, np.ptp(first))


def test_nash_beyond_its_enumeration_takes_the_replicators() -> None:
    """Nine actions of a game whose payoffs have no constant sum and no equilibrium in single actions."""
    shift = np.roll(np.eye(9), 1, axis=1) - np.eye(9)
    first, second = shift, -2 * shift.T
    assert gain(first, second, *nash(first, second)) < 0.05


def shares_of_a_walk(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Where a walk over pairs of policies is after 2^50 steps: a mutant of one population is drawn, and may fix."""
    rows, columns = first.shape
    spread = max(np.ptp(first), np.ptp(second)) or 1.0
    pairs = list(itertools.product(range(rows), range(columns)))
    goes = np.zeros((len(pairs), len(pairs)))

    def fix(gained: float) -> float:
        x = np.float128(SELECTION * gained / spread)
        return max(float((1 - np.exp(-x)) / (1 - np.exp(-GROUP * x))), LEAST) if x else 1 / GROUP

    for here, (row, column) in enumerate(pairs):
        for there, (new_row, new_column) in enumerate(pairs):
            if row != new_row and column == new_column:
                goes[here, there] = fix(first[new_row, column] - first[row, column]) / (rows + columns - 2)
            if row == new_row and column != new_column:
                goes[here, there] = fix(second[new_column, row] - second[column, row]) / (rows + columns - 2)
        goes[here, here] = 1 - goes[here].sum()
    for _ in range(50):
        goes = goes @ goes
        goes /= goes.sum(axis=1, keepdims=True)
    return goes.mean(axis=0).reshape(rows, columns)


@pytest.mark.parametrize("seed", range(4))
def test_alpha_rank_is_the_share_of_time_of_a_walk(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 3, size=(3, 2)).astype(float), rng.integers(0, 3, size=(2, 3)).astype(float)
    walk = shares_of_a_walk(first, second)
    mine, theirs = alpha_rank(first, second)
    assert mine == pytest.approx(walk.sum(axis=1), abs=1e-3)
    assert theirs == pytest.approx(walk.sum(axis=0), abs=1e-3)


def test_alpha_rank_is_even_in_a_circle_and_finds_what_dominates() -> None:
    assert alpha_rank(ROCK, -ROCK.T)[0] == pytest.approx([1 / 3] * 3)
    better = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert alpha_rank(better, better)[0] == pytest.approx([1, 0], abs=1e-6)


def test_fixation_of_a_neutral_mutant_is_one_in_the_population() -> None:
    assert fixation(0.0) == 1 / GROUP
    assert fixation(1e-7) == pytest.approx(1 / GROUP, rel=1e-3)
    assert fixation(1.0) == pytest.approx(1.0)
    assert fixation(-1.0) < 1e-9


def test_prioritised_meets_most_what_beats_the_latest() -> None:
    first, second = np.array([[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]]), np.zeros((3, 2))
    mine, theirs = prioritised(first, second)
    assert theirs == pytest.approx(np.array([0, 0.25, 1.0]) / 1.25)
    assert mine == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("solver", LeagueSolver)
@given(seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_every_solver_returns_probabilities(solver: LeagueSolver, seed: int) -> None:
    first, second = drawn(seed, zero_sum=False)
    for found, count in zip(mixtures(solver, first, second), first.shape, strict=True):
        assert len(found) == count
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()
    assert uniform(first, second)[0] == pytest.approx(1 / len(first))
