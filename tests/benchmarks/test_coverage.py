"""Intervals contain the truth as often as they say, and tests reject a true null as rarely as they say."""

from __future__ import annotations

import math

import pytest

from benchmarks.coverage import (
    CASES,
    HIGHEST,
    LOWEST,
    NULLS,
    PAGE,
    CoverageCase,
    NullCase,
    coverage,
    false_rejections,
)

TRIALS, NULL_TRIALS = 1500, 400


def margin(trials: int, share: float = 0.05) -> float:
    """Three standard errors of a share of `trials`."""
    return 3 * math.sqrt(share * (1 - share) / trials)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.figure}, {case.sample}")
def test_intervals_contain_the_truth(case: CoverageCase) -> None:
    for n in (6, 10, 20):
        found, printed = coverage(case, n, TRIALS)
        assert printed > TRIALS / 3
        assert found >= LOWEST - margin(printed), f"n = {n}: {found:.3f}"
        assert case.at_least or found <= HIGHEST + margin(printed, 1 - HIGHEST), f"n = {n}: {found:.3f}"


@pytest.mark.parametrize(
    "case", [case for case in NULLS if "skewed (exponential)" not in case.sample], ids=lambda case: case.sample
)
def test_a_true_null_is_rejected_in_one_of_twenty(case: NullCase) -> None:
    for n in (6, 10):
        assert false_rejections(case, n, NULL_TRIALS) <= 0.05 + margin(NULL_TRIALS), f"n = {n}"


def test_no_interval_below_six_units() -> None:
    for case in CASES:
        if not case.figure.startswith("survival"):
            assert coverage(case, 5, 20) == (0.0, 0), case.figure


def test_page_of_the_full_size_is_within_its_aim() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## How often a test")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) == len(CASES)
    for figure, sample, *cells, note in rows:
        for cell in map(float, cells):
            assert cell / 100 >= LOWEST - 0.005, (figure, sample)
            assert "or more" in note or cell / 100 <= HIGHEST + 0.005, (figure, sample)
