"""Intervals and p-values by resampling: coverage, calibration and known values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import SocietyError
from simulation.metrics.inference import holm, paired_bootstrap, sign_flip_p_value, stratified_bootstrap
from simulation.metrics.scores import mean_score


def normal(seed: int, *shape: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, shape)


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_paired_bootstrap_covers_the_true_mean() -> None:
    covered = []
    for seed in range(300):
        interval = paired_bootstrap(normal(seed, 60, mean=0.3), resamples=400)
        covered.append(not interval.excludes(0.3))
    assert 0.90 <= share(covered) <= 0.98


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
        interval = paired_bootstrap([0.0] * pairs)
        assert (interval.low, interval.value, interval.high, interval.n) == (0, 0, 0, pairs)


def test_sign_flip_p_value_is_never_0() -> None:
    assert sign_flip_p_value([1.0] * 50, flips=99) == pytest.approx(1 / 100)
    assert sign_flip_p_value([1.0] * 5) == pytest.approx(2 / 2**5)


def test_paired_bootstrap_is_seeded() -> None:
    values = normal(2, 30)
    assert paired_bootstrap(values, seed=1) == paired_bootstrap(values, seed=1)
    assert paired_bootstrap(values, seed=1) != paired_bootstrap(values, seed=2)


def test_higher_level_gives_a_wider_interval() -> None:
    narrow, wide = (paired_bootstrap(normal(3, 40), level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_stratified_bootstrap_keeps_every_task() -> None:
    scores = np.column_stack([np.zeros(6), np.ones(6)])  # equal runs, different tasks
    interval = stratified_bootstrap(mean_score, scores)
    assert (interval.low, interval.high) == (0.5, 0.5)


def test_stratified_bootstrap_clusters_copies_of_a_seed() -> None:
    seeds = normal(4, 8, 1)
    copies, clusters = np.repeat(seeds, 10, axis=0), [seed for seed in range(8) for _ in range(10)]
    naive = stratified_bootstrap(mean_score, copies)
    honest = stratified_bootstrap(mean_score, copies, clusters=clusters)
    alone = stratified_bootstrap(mean_score, seeds)
    assert honest.n == 8
    assert naive.n == 80
    assert naive.high - naive.low < 0.5 * (honest.high - honest.low)
    assert honest.high - honest.low == pytest.approx(alone.high - alone.low, rel=0.25)


def test_stratified_bootstrap_takes_two_samples() -> None:
    def difference(first: np.ndarray, second: np.ndarray) -> float:
        return mean_score(first) - mean_score(second)

    interval = stratified_bootstrap(difference, normal(5, 30, 3, mean=2.0), normal(6, 20, 3))
    assert 1 < interval.low < interval.value < interval.high < 2.3
    assert interval.n == 20


@pytest.mark.parametrize(
    ("scores", "clusters", "message"),
    [
        (np.ones((1, 3)), None, "run more episodes"),
        (np.ones((4, 3)), [1, 1, 1, 1], "run more episodes"),
        (np.ones((4, 3)), [1, 2], "one cluster label"),
        (np.array([[np.nan], [1.0]]), None, "finite"),
    ],
)
def test_stratified_bootstrap_refuses_what_has_no_interval(
    scores: np.ndarray, clusters: list[int] | None, message: str
) -> None:
    with pytest.raises(SocietyError, match=message):
        stratified_bootstrap(mean_score, scores, clusters=clusters)


@pytest.mark.parametrize("differences", [[1.0], [], [1.0, float("nan")]])
def test_one_pair_or_nan_is_refused(differences: list[float]) -> None:
    for function in (paired_bootstrap, sign_flip_p_value):
        with pytest.raises(SocietyError, match="at least 2"):
            function(differences)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.9, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()
