"""Intervals and p-values over clusters: known values, coverage, and what happens where all agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from agents.problems import SocietyError
from simulation.metrics.clusters import cluster_bootstrap, cluster_share, difference, permutation_p_value, ratio
from simulation.metrics.registry import Interval


def sums(*clusters: tuple[float, float]) -> np.ndarray:
    return np.array(clusters, dtype=np.float64)


def drawn(rng: np.random.Generator, clusters: int, size: int, share: float, spread: float = 3.0) -> np.ndarray:
    """Clusters with different shares, `share` on average."""
    own = rng.beta(share * spread, (1 - share) * spread, clusters)
    return np.stack([rng.binomial(size, own), np.full(clusters, size)], axis=1).astype(np.float64)


def test_cluster_share_is_exact_where_all_agree() -> None:
    found = cluster_share(sums(*[(1, 1)] * 12))
    assert (found.value, found.high, found.n) == (1.0, 1.0, 12)
    assert found.low == pytest.approx(0.025 ** (1 / 12))  # Clopper & Pearson, no failure in 12
    none = cluster_share(sums(*[(0, 1)] * 12))
    assert (none.low, none.high) == (0.0, pytest.approx(1 - found.low))


def test_cluster_share_narrows_with_data_within_limits() -> None:
    many, long, few = (cluster_share(sums(*[(size, size)] * n)).low for n, size in ((12, 1), (12, 5), (2, 30)))
    assert many < long
    assert few < 0.3


def test_values_that_agree_within_episodes_count_as_few() -> None:
    apart = cluster_share(sums(*[(5, 5), (0, 5)] * 6))
    mixed = cluster_share(sums(*[(2, 5), (3, 5)] * 6))
    assert apart.high - apart.low > 1.5 * (mixed.high - mixed.low)
    low, high = beta.ppf(0.025, 30, 31), beta.ppf(0.975, 31, 30)  # at least as wide as of 60 coin throws
    assert mixed.low <= low < high <= mixed.high


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5])
def test_cluster_share_covers_the_share(share: float) -> None:
    rng = np.random.default_rng(0)
    found = [cluster_share(drawn(rng, 12, 5, share)) for _ in range(400)]
    assert sum(each.low <= share <= each.high for each in found) >= 0.93 * len(found)


@pytest.mark.parametrize("clusters", [6, 12])
def test_cluster_bootstrap_covers_the_mean(clusters: int) -> None:
    rng = np.random.default_rng(1)
    found = [
        cluster_bootstrap(
            ratio, np.stack([rng.normal(3, 2, clusters) * 4, np.full(clusters, 4)], axis=1), resamples=500
        )
        for _ in range(300)
    ]
    assert sum(each.low <= 3 <= each.high for each in found) >= 0.92 * len(found)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), min_size=2, max_size=20))
def test_cluster_share_contains_its_value_and_stays_in_0_1(found: list[tuple[int, int]]) -> None:
    clusters = sums(*[(min(hits, size), size) for hits, size in found])
    share, mean = cluster_share(clusters), cluster_bootstrap(ratio, clusters, resamples=50)
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.value == pytest.approx(mean.value)
    assert min(clusters[:, 0] / clusters[:, 1]) <= mean.low <= mean.high <= max(clusters[:, 0] / clusters[:, 1])


def test_one_cluster_is_refused() -> None:
    for ask in (cluster_share, lambda rows: cluster_bootstrap(ratio, rows)):
        with pytest.raises(SocietyError, match="at least 2 episodes"):
            ask(sums((1, 1)))


def test_difference_adds_up_the_widths_of_both() -> None:
    first, second = Interval(0.7, 1.0, 1.0, 0.95, 12), Interval(0.2, 0.3, 0.5, 0.95, 10)
    found = difference(first, second)
    assert found.value == pytest.approx(0.7)
    assert found.low == pytest.approx(0.7 - math.hypot(0.3, 0.2))
    assert found.high == pytest.approx(0.7 + math.hypot(0.0, 0.1))
    back = difference(second, first)
    assert (back.low, back.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert found.n == 10


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


def test_cluster_bootstrap_leaves_out_draws_without_a_figure() -> None:
    rare = sums((1, 1), (0, 0), (0, 0), (1, 1))
    found = cluster_bootstrap(ratio, rare)
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)
    assert 0 < permutation_p_value(ratio, rare, sums((0, 1), (0, 1), (0, 0))) <= 1
