"""Confidence intervals: known values, the reasons why there is none, and properties that every interval has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from agents.problems import SocietyError
from simulation.metrics.intervals import (
    UNIT,
    cluster_interval,
    difference,
    jackknife_interval,
    mean_interval,
    missing_intervals,
    ratio,
)
from simulation.metrics.registry import LEAST_UNITS, Interval
from simulation.metrics.scores import mean_score


def sums(*clusters: tuple[float, float]) -> np.ndarray:
    return np.array(clusters, dtype=np.float64)


def students_t(values: list[float], level: float = 0.95) -> tuple[float, float]:
    low, high = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    return float(low), float(high)


SYMMETRIC = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
SKEWED = [0.1, 0.2, 0.2, 0.3, 0.5, 0.9, 4.0]


# -- the method -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_interval_of_a_symmetric_sample_is_students_t(level: float) -> None:
    found = mean_interval(SYMMETRIC, level=level)
    assert (found.low, found.high) == pytest.approx(students_t(SYMMETRIC, level))
    assert (found.value, found.n, found.level, found.why) == (4.0, 7, level, "")


def test_interval_of_a_skewed_sample_reaches_to_its_tail() -> None:
    low, high = students_t(SKEWED)
    found = mean_interval(SKEWED)
    assert found.low == pytest.approx(low)  # the wider of both ends is taken
    assert found.high > high
    mirrored = mean_interval([-value for value in SKEWED])
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_correction_for_skewness_is_halls_transformation() -> None:
    """t + g t^2 / 3 + g^2 t^3 / 27 + g / 6n, where t is (mean - end) / s, is Student's quantile over sqrt(n)."""
    n, values = len(SKEWED), np.array(SKEWED)
    g = float(np.sum(((values - values.mean()) / values.std(ddof=1)) ** 3)) * n / ((n - 1) * (n - 2))
    t = (values.mean() - mean_interval(SKEWED).high) / values.std(ddof=1)
    transformed = t + g * t**2 / 3 + g**2 * t**3 / 27 + g / (6 * n)
    assert transformed == pytest.approx(-stats.t.ppf(0.975, n - 1) / math.sqrt(n))


def test_interval_of_two_values_contains_jeffreys() -> None:
    found = mean_interval([2.0] * 3 + [5.0] * 7)
    share = stats.beta.ppf([0.025, 0.975], 7.5, 3.5)
    low, high = students_t([2.0] * 3 + [5.0] * 7)
    assert found.low == pytest.approx(min(low, 2 + 3 * share[0]))
    assert found.high == pytest.approx(max(high, 2 + 3 * share[1]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=LEAST_UNITS, max_size=30), st.floats(0.1, 100), st.floats(-1e3, 1e3))
def test_interval_moves_and_scales_with_its_sample(values: list[float], factor: float, shift: float) -> None:
    found = mean_interval(values)
    moved = mean_interval([factor * value + shift for value in values])
    if found.known and moved.known and np.ptp(values) > 1e-3:
        scale = max(1.0, abs(shift), factor * max(map(abs, values)))
        expected = (factor * found.low + shift, factor * found.high + shift)
        assert (moved.low, moved.high) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), min_size=LEAST_UNITS, max_size=20))
def test_share_contains_its_value_and_stays_in_its_bounds(found: list[tuple[int, int]]) -> None:
    clusters = sums(*[(min(hits, size), size) for hits, size in found])
    share, mean = cluster_interval(ratio, clusters, bounds=UNIT), cluster_interval(ratio, clusters)
    assert share.value == mean.value
    if share.known:
        assert 0 <= share.low <= share.value <= share.high <= 1
    if mean.known:
        assert mean.low <= share.low <= share.high <= mean.high


def test_clusters_of_one_size_are_their_means() -> None:
    alone = mean_interval(SKEWED)
    clustered = cluster_interval(ratio, sums(*[(4 * value, 4) for value in SKEWED]))
    assert (clustered.low, clustered.value, clustered.high) == pytest.approx((alone.low, alone.value, alone.high))


def test_values_that_agree_within_episodes_count_as_few() -> None:
    apart = cluster_interval(ratio, sums(*[(5, 5), (0, 5)] * 6), bounds=UNIT)
    mixed = cluster_interval(ratio, sums(*[(2, 5), (3, 5)] * 6), bounds=UNIT)
    assert apart.high - apart.low > 1.5 * (mixed.high - mixed.low)


def test_copies_of_a_seed_do_not_narrow_the_interval() -> None:
    seeds = np.random.default_rng(4).normal(0, 1, (8, 1))
    copies, clusters = np.repeat(seeds, 10, axis=0), [seed for seed in range(8) for _ in range(10)]
    honest, alone = jackknife_interval(mean_score, copies, clusters), jackknife_interval(mean_score, seeds, range(8))
    assert (honest.n, honest.low, honest.high) == (8, pytest.approx(alone.low), pytest.approx(alone.high))


def test_jackknife_keeps_every_task() -> None:
    scores = np.column_stack([np.zeros(6), np.linspace(0, 1, 6)])
    found = jackknife_interval(mean_score, scores, range(6))
    assert (found.low, found.high) == pytest.approx(students_t((np.linspace(0, 1, 6) / 2).tolist()))


def test_unit_without_which_there_is_no_figure_is_left_out() -> None:
    rare = sums((1, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0))
    found = cluster_interval(ratio, rare)
    assert (found.value, found.why) == (1.0, "all 6 episodes gave the same")


# -- no interval ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, LEAST_UNITS))
def test_few_episodes_have_a_value_and_no_interval(n: int) -> None:
    found = mean_interval(SKEWED[:n], unit="pairs")
    assert found.value == pytest.approx(np.mean(SKEWED[:n]))
    assert (found.known, found.constant, found.excludes(99.0)) == (False, False, False)
    assert found.why == f"too few pairs: {n}, need 6"


def test_equal_episodes_have_no_interval_but_exclude_another_value() -> None:
    found = mean_interval([3.0] * 8)
    assert (found.known, found.constant, found.why) == (False, True, "all 8 episodes gave the same")
    assert found.excludes(0.0)
    assert not found.excludes(3.0)
    assert mean_interval([0.1 + 0.2, 0.3] * 4).constant  # equal but for rounding


@pytest.mark.parametrize(("share", "end"), [(0.0, "low"), (1.0, "high")])
def test_share_of_0_or_1_has_jeffreys_interval(share: float, end: str) -> None:
    found = mean_interval([share] * 10, bounds=UNIT)
    assert getattr(found, end) == share
    width = stats.beta.ppf(0.975, 0.5, 10.5)
    assert found.high - found.low == pytest.approx(width)
    assert mean_interval([0.5] * 10, bounds=UNIT).constant


@pytest.mark.parametrize(
    ("scores", "clusters", "message"),
    [
        (np.ones((0, 3)), [], "finite matrix"),
        (np.ones((4, 3)), [1, 2], "one cluster label"),
        (np.array([[np.nan], [1.0]]), [1, 2], "finite"),
    ],
)
def test_jackknife_refuses_bad_scores(scores: np.ndarray, clusters: list[int], message: str) -> None:
    with pytest.raises(SocietyError, match=message):
        jackknife_interval(mean_score, scores, clusters)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_mean_interval_refuses_what_is_no_number(values: list[float]) -> None:
    with pytest.raises(SocietyError, match="finite value"):
        mean_interval(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_level_outside_0_1_is_refused(level: float) -> None:
    with pytest.raises(SocietyError, match="level must be between 0 and 1"):
        mean_interval(SYMMETRIC, level=level)


def test_missing_intervals_names_each_reason_once() -> None:
    few, equal = mean_interval([1.0, 2.0]), mean_interval([1.0] * 9)
    assert list(missing_intervals([few, few, equal, mean_interval(SYMMETRIC)])) == [
        "2 figures have no interval: too few episodes: 2, need 6",
        "1 figure has no interval: all 9 episodes gave the same",
    ]


# -- differences ----------------------------------------------------------------------------------------


def test_difference_adds_up_the_widths_of_both() -> None:
    first, second = Interval(0.7, 1.0, 1.0, 0.95, 12), Interval(0.2, 0.3, 0.5, 0.95, 10)
    found = difference(first, second)
    assert found.value == pytest.approx(0.7)
    assert found.low == pytest.approx(0.7 - math.hypot(0.3, 0.2))
    assert found.high == pytest.approx(0.7 + math.hypot(0.0, 0.1))
    back = difference(second, first)
    assert (back.low, back.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
    assert found.n == 10


def test_difference_from_equal_episodes_has_the_other_sides_width() -> None:
    varied, equal = mean_interval(SYMMETRIC), mean_interval([1.0] * 9)
    found = difference(varied, equal)
    assert (found.low, found.high) == pytest.approx((varied.low - 1, varied.high - 1))
    assert difference(equal, mean_interval([3.0] * 7)).why == "all 7 episodes gave the same"


def test_difference_from_few_episodes_has_no_interval() -> None:
    found = difference(mean_interval(SYMMETRIC), mean_interval([1.0, 2.0]))
    assert (found.value, found.n, found.why) == (2.5, 2, "too few episodes: 2, need 6")
