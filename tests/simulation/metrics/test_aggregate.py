"""Aggregates of score matrices, against rliable's definitions and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import mannwhitneyu, trim_mean

from agents.problems import SocietyError
from simulation.metrics import find_metric, metrics
from simulation.metrics.aggregate import (
    Matrix,
    iqm,
    mean_score,
    median_score,
    optimality_gap,
    probability_of_improvement,
    welfare_ratio,
)

matrices = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.floats(-2, 2, width=16))


@given(matrices)
def test_iqm_is_the_quarter_trimmed_mean_over_runs_and_tasks(scores: Matrix) -> None:
    assert iqm(scores) == pytest.approx(trim_mean(scores, proportiontocut=0.25, axis=None))


def test_iqm_shrugs_off_one_wild_run_and_the_mean_does_not() -> None:
    scores = np.array([[0.5], [0.5], [0.5], [100.0]])
    assert iqm(scores) == 0.5
    assert mean_score(scores) > 25


def test_the_median_is_over_tasks_of_means_over_runs() -> None:
    assert median_score(np.array([[0.0, 0.2, 1.0], [0.0, 0.6, 1.0]])) == pytest.approx(0.4)


def test_optimality_gap_counts_nothing_above_the_target() -> None:
    assert optimality_gap(np.array([[0.5, 3.0]])) == pytest.approx(0.25)
    assert optimality_gap(np.array([[1.0, 1.0]])) == 0.0
    assert optimality_gap(np.array([[0.5]]), target=2.0) == 1.5


@given(matrices, st.data())
def test_probability_of_improvement_is_the_mean_of_mann_whitneys_u_over_tasks(
    first: Matrix, data: st.DataObject
) -> None:
    runs = data.draw(st.integers(1, 8))
    second = data.draw(arrays(np.float64, (runs, first.shape[1]), elements=st.floats(-2, 2, width=16)))
    expected = np.mean(mannwhitneyu(first, second, axis=0, method="asymptotic").statistic) / (len(first) * runs)
    assert probability_of_improvement(first, second) == pytest.approx(expected)
    assert probability_of_improvement(second, first) == pytest.approx(1 - expected)


def test_improvement_over_other_tasks_is_refused() -> None:
    with pytest.raises(SocietyError, match="same tasks"):
        probability_of_improvement(np.ones((2, 2)), np.ones((2, 3)))


@pytest.mark.parametrize(("welfare", "optimum", "expected"), [(5, 10, 0.5), (12, 10, 1), (-1, 10, 0), (0, 0, 1)])
def test_welfare_ratio_stays_in_0_1(welfare: float, optimum: float, expected: float) -> None:
    assert welfare_ratio(welfare, optimum) == expected


def test_every_metric_says_what_it_is_and_where_it_is_from() -> None:
    assert {"iqm", "optimality_gap", "kaplan_meier", "polarization", "sign_flip_p_value"} <= set(metrics())
    for name, metric in metrics().items():
        assert metric.name == name == metric.function.__name__
        assert metric.meaning.endswith((".", ":"))
        assert metric.source


def test_an_unknown_metric_is_told_the_nearest() -> None:
    with pytest.raises(SocietyError, match="iqm"):
        find_metric("iqn")
