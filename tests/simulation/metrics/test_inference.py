"""P-values by rearranging the data: calibration and known values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.metrics.inference import holm, permutation_p_value, sign_flip_p_value
from simulation.metrics.intervals import ratio


def normal(seed: int, *shape: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, shape)


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_sign_flip_p_values_are_calibrated() -> None:
    for pairs in (10, 40):  # all patterns, and random ones
        false = [sign_flip_p_value(normal(seed, pairs), flips=400) < 0.05 for seed in range(400)]
        assert share(false) == pytest.approx(0.05, abs=0.03)


def test_sign_flip_finds_a_shift() -> None:
    assert sign_flip_p_value(normal(1, 200, mean=0.5)) < 0.001


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=7))
def test_sign_flip_of_few_pairs_is_exact(differences: list[int]) -> None:
    seen = abs(sum(differences))
    sums = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert sign_flip_p_value(differences) == pytest.approx(share([total >= seen for total in sums]))


def test_differences_of_0_have_p_value_1() -> None:
    for pairs in (5, 200):
        assert sign_flip_p_value([0.0] * pairs) == 1.0


def test_sign_flip_p_value_is_never_0() -> None:
    assert sign_flip_p_value([1.0] * 50, flips=99) == pytest.approx(1 / 100)
    assert sign_flip_p_value([1.0] * 5) == pytest.approx(2 / 2**5)


def test_sign_flip_of_rows_tests_the_length_of_their_mean() -> None:
    rows = normal(7, 8, 3, mean=0.4)
    seen = np.linalg.norm(rows.mean(axis=0))
    lengths = [np.linalg.norm(np.array(signs) @ rows / 8) for signs in product((1, -1), repeat=8)]
    assert sign_flip_p_value(rows) == pytest.approx(share([length >= seen - 1e-12 for length in lengths]))
    assert sign_flip_p_value(rows[:, :1]) == sign_flip_p_value(rows[:, 0])


def sums(*clusters: tuple[float, float]) -> np.ndarray:
    return np.array(clusters, dtype=np.float64)


def drawn(rng: np.random.Generator, clusters: int, size: int, share: float, spread: float = 3.0) -> np.ndarray:
    """Clusters with different shares, `share` on average."""
    own = rng.beta(share * spread, (1 - share) * spread, clusters)
    return np.stack([rng.binomial(size, own), np.full(clusters, size)], axis=1).astype(np.float64)


def test_permutation_p_value_of_equal_and_of_separate_samples() -> None:
    ones, zeros = sums(*[(4, 4)] * 12), sums(*[(0, 4)] * 12)
    assert permutation_p_value(ratio, ones, ones) == 1.0
    assert permutation_p_value(ratio, ones, zeros, permutations=999) == pytest.approx(1 / 1000)


def test_permutation_p_values_are_calibrated() -> None:
    rng = np.random.default_rng(2)
    p = [
        permutation_p_value(ratio, drawn(rng, 8, 4, 0.4), drawn(rng, 10, 4, 0.4), permutations=399) for _ in range(400)
    ]
    assert sum(each <= 0.05 for each in p) <= 0.08 * len(p)
    assert sum(each <= 0.5 for each in p) >= 0.35 * len(p)


def test_permutation_leaves_out_divisions_without_a_figure() -> None:
    rare = sums((1, 1), (0, 0), (0, 0), (1, 1))
    assert 0 < permutation_p_value(ratio, rare, sums((0, 1), (0, 1), (0, 0))) <= 1


@pytest.mark.parametrize("differences", [[1.0], [], [1.0, float("nan")]])
def test_one_pair_or_nan_is_refused(differences: list[float]) -> None:
    with pytest.raises(SocietyError, match="at least 2"):
        sign_flip_p_value(differences)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.9, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
