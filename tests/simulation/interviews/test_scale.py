"""Scales, and what a distribution over one says."""

from __future__ import annotations

import random
from statistics import fmean

import pytest

from simulation.interviews.scale import opinion_of, scale_of


@pytest.mark.parametrize(("value", "ends"), [("1..7", (1, 7)), (" -3 .. 3 ", (-3, 3)), ((0, 10), (0, 10))])
def test_scale_has_two_ends(value: object, ends: tuple[int, int]) -> None:
    assert scale_of(value) == ends


@pytest.mark.parametrize("value", ["7", "1-7", "1...7", (1, 2, 3), (1.0, 7.0), (True, 7), "1..1", "0..101", None])
def test_scale_refuses_what_is_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"write|count|points"):
        scale_of(value)


def test_exact_opinion_has_the_moments_of_its_distribution() -> None:
    found = opinion_of(range(1, 4), (0.5, 0.0, 0.5), None)
    assert found == (2.0, 1.0, 2.0, 2.0)


def test_interval_of_draws_covers_the_mean_and_is_never_empty() -> None:
    rng, points, chances = random.Random(5), range(1, 8), (0.05, 0.05, 0.1, 0.2, 0.3, 0.2, 0.1)
    truth, inside = opinion_of(points, chances, None).mean, []
    for _ in range(400):
        drawn = rng.choices(points, chances, k=20)
        found = opinion_of(points, [drawn.count(point) / 20 for point in points], 20)
        assert found.mean == pytest.approx(fmean(drawn))
        inside.append(found.low <= truth <= found.high)
    assert fmean(inside) >= 0.95
    same = opinion_of(points, (0, 0, 0, 0, 0, 0, 1.0), 20)
    assert same.low < same.mean == pytest.approx(same.high)
