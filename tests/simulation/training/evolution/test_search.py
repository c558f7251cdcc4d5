"""The search finds optima that are known, by the order of payoffs only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.metrics.arrays import Vector
from simulation.training.evolution.search import SearchState, moved, offsets, utilities

PAYOFFS = st.lists(st.integers(-5, 5).map(float), min_size=2, max_size=12)


def search(payoff: Callable[[Vector], float], dimensions: int, updates: int, seed: int = 0) -> SearchState:
    state = SearchState(np.full(dimensions, 1 / dimensions), np.full(dimensions, 0.3))
    for update in range(updates):
        tried = offsets(dimensions, 6, seed * 1000 + update)
        state = moved(state, tried, [payoff(state.candidate(offset)) for offset in tried])
    return state


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_search_finds_the_top_of_a_bowl(dimensions: int, seed: int) -> None:
    top = np.linspace(-1, 1.5, dimensions)
    scale = np.logspace(0, 1, dimensions)  # ten times as steep in one weight as in another
    found = search(lambda weights: -float(scale @ (weights - top) ** 2), dimensions, 150, seed)
    np.testing.assert_allclose(found.mean, top, atol=0.02)
    assert found.spread.max() < 0.05


def test_search_walks_along_a_slope_with_growing_steps() -> None:
    found = search(lambda weights: float(weights[0]), 2, 20)
    assert found.mean[0] > 3
    assert found.spread[0] > 0.3


def test_constant_payoff_moves_nothing() -> None:
    found = search(lambda weights: 1.0, 3, 10)
    np.testing.assert_array_equal(found.mean, np.full(3, 1 / 3))
    np.testing.assert_array_equal(found.spread, np.full(3, 0.3))


def test_noise_alone_has_no_direction() -> None:
    rng = np.random.default_rng(0)
    ends = np.array([search(lambda weights: rng.normal(), 2, 5, seed).mean for seed in range(400)]) - 0.5
    assert np.abs(ends.mean(axis=0)).max() < 3 * ends.std() / np.sqrt(400)


@given(PAYOFFS)
def test_utilities_sum_to_zero_and_keep_the_order(payoffs: list[float]) -> None:
    found = utilities(payoffs)
    assert abs(found.sum()) < 1e-9
    for one, first in zip(payoffs, found, strict=True):
        for other, second in zip(payoffs, found, strict=True):
            if one == other:
                assert first == second
            else:
                assert (first - second) * (one - other) >= -1e-12  # means of equal parts round apart


@given(PAYOFFS)
def test_only_the_order_of_payoffs_counts(payoffs: list[float]) -> None:
    np.testing.assert_array_equal(utilities(payoffs), utilities([each**3 + 100 for each in payoffs]))


def test_every_second_candidate_mirrors_the_one_before() -> None:
    drawn = offsets(3, 8, seed=1)
    np.testing.assert_array_equal(drawn[0::2], -drawn[1::2])
    np.testing.assert_array_equal(drawn, offsets(3, 8, seed=1))
    assert not np.array_equal(drawn, offsets(3, 8, seed=2))
