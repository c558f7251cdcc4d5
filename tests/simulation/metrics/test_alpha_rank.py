"""Alpha-rank of matrices with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.problems import SocietyError
from simulation.metrics.alpha_rank import alpha_rank

ROCK_PAPER_SCISSORS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
DILEMMA = np.array([[3.0, 0.0], [5.0, 1.0]])
payoffs = st.integers(1, 6).flatmap(lambda n: arrays(np.float64, (n, n), elements=st.floats(-100, 100)))


@settings(max_examples=60, deadline=None)
@given(payoffs)
def test_masses_are_a_distribution(matrix: np.ndarray) -> None:
    masses = alpha_rank(matrix).masses
    assert sum(masses) == pytest.approx(1)
    assert min(masses) >= 0


@settings(max_examples=60, deadline=None)
@given(payoffs, st.floats(0.1, 5), st.integers(2, 60))
def test_masses_are_stationary(matrix: np.ndarray, intensity: float, population: int) -> None:
    """Compare with the Markov chain as the paper defines it, rate by rate."""
    matrix = matrix / 100
    n, masses = len(matrix), np.array(alpha_rank(matrix, intensity=intensity, population=population).masses)
    chain = np.zeros((n, n))
    for s in range(n):
        for r in range(n):
            if r != s:
                chain[s, r] = fixation(matrix, r, s, intensity, population) / (n - 1)
        chain[s, s] = 1 - chain[s].sum()
    assert masses @ chain == pytest.approx(masses, abs=1e-9)


def fixation(matrix: np.ndarray, r: int, s: int, intensity: float, m: int) -> float:
    total, product = 1.0, 1.0
    for p in range(1, m):
        mutant = ((p - 1) * matrix[r, r] + (m - p) * matrix[r, s]) / (m - 1)
        resident = ((m - p - 1) * matrix[s, s] + p * matrix[s, r]) / (m - 1)
        product *= np.exp(-intensity * (mutant - resident))
        total += product
    return float(1 / total)


@settings(max_examples=60, deadline=None)
@given(payoffs, st.floats(0.5, 10), st.data())
def test_strictly_dominant_strategy_gets_all_mass(matrix: np.ndarray, gap: float, data: st.DataObject) -> None:
    best = data.draw(st.integers(0, len(matrix) - 1))
    matrix = matrix / 100
    matrix[best] = np.delete(matrix, best, axis=0).max(axis=0, initial=-1.0) + gap
    # one mutant of a finite population never meets itself: dominance must be more than 1 / population of the spread
    population = 20 + int(4 * np.ptp(matrix) / gap)
    assert alpha_rank(matrix, population=population).masses[best] > 0.99


def test_rock_paper_scissors_is_uniform() -> None:
    assert alpha_rank(ROCK_PAPER_SCISSORS).masses == pytest.approx([1 / 3] * 3)
    assert alpha_rank(ROCK_PAPER_SCISSORS, intensity=7.0).masses == pytest.approx([1 / 3] * 3)


def test_dominated_strategy_gets_no_mass_beside_a_circle() -> None:
    matrix = np.full((4, 4), -2.0)
    matrix[:3, :3] = ROCK_PAPER_SCISSORS
    matrix[:3, 3] = 2.0
    assert alpha_rank(matrix).masses == pytest.approx([1 / 3] * 3 + [0], abs=1e-3)


def test_defection_wins_the_dilemma_and_equal_payoffs_tie() -> None:
    assert alpha_rank(DILEMMA).masses[1] > 0.999
    assert alpha_rank(np.ones((4, 4))).masses == pytest.approx([0.25] * 4)
    assert alpha_rank(np.array([[1.0]])).masses == (1.0,)


def test_alpha_rank_ignores_the_unit_of_payoffs() -> None:
    matrix = np.random.default_rng(3).normal(size=(5, 5))
    assert alpha_rank(matrix * 1e6 + 40).masses == pytest.approx(alpha_rank(matrix).masses, abs=1e-6)


def test_alpha_rank_refuses_bad_matrices() -> None:
    with pytest.raises(SocietyError, match="finite square"):
        alpha_rank(np.ones((2, 3)))
    with pytest.raises(SocietyError, match="finite square"):
        alpha_rank(np.array([[np.nan]]))
    with pytest.raises(SocietyError, match="at least 2"):
        alpha_rank(DILEMMA, population=1)
