"""Scales of answers (`1..7`), and what a distribution over a scale says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

MOST_POINTS = 101
Z_95 = 1.959964
"""The quantile of the normal distribution that a 95% interval is made with."""
_FORM = re.compile(r"\s*(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})\s*")


def scale_of(value: object) -> tuple[int, int]:
    """Return the least and the greatest answer of a scale: a text such as "1..7", or a pair of whole numbers.

    Raises:
        ValueError: It is no scale; the text says why.
    """
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    pair = match.groups() if match else value
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(_whole(end) for end in pair):
        raise ValueError("write the least and the greatest answer, for example 1..7")
    low, high = map(int, pair)
    if not low < high:
        raise ValueError(f"{low}..{high} does not count up")
    if high - low >= MOST_POINTS:
        raise ValueError(f"{low}..{high} has {high - low + 1} points; at most {MOST_POINTS} can be asked for")
    return low, high


def _whole(end: object) -> bool:
    return isinstance(end, str) or (isinstance(end, int) and not isinstance(end, bool))


class ScaleFigures(NamedTuple):
    """What a distribution over the points of a scale says.

    Attributes:
        mean: Its mean.
        variance: Its variance.
        low: The lower end of the mean's 95% interval.
        high: The upper end of it.
    """

    mean: float
    variance: float
    low: float
    high: float


def opinion_of(points: Sequence[int], shares: Sequence[float], draws: int | None) -> ScaleFigures:
    """Return what a distribution says.

    Args:
        points: The scale's points.
        shares: The probability of each, or the share of draws.
        draws: How many draws were counted; None where the probabilities are exact: the interval is then the mean.

    Source:
        The interval is Wilson's (Journal of the American Statistical Association 22, 1927), for the mean as a share of
        the scale. A share of that mean with any distribution has at most the variance that Wilson's formula takes, so
        the interval is never too narrow for the draws' spread.
    """
    mean = sum(point * share for point, share in zip(points, shares, strict=True))
    variance = sum(share * (point - mean) ** 2 for point, share in zip(points, shares, strict=True))
    if draws is None:
        return ScaleFigures(mean, variance, mean, mean)
    low, span = points[0], points[-1] - points[0]
    share, unit = (mean - low) / span, Z_95**2 / draws
    middle = (share + unit / 2) / (1 + unit)
    half = sqrt(unit * share * (1 - share) + unit**2 / 4) / (1 + unit)
    return ScaleFigures(mean, variance, low + span * (middle - half), low + span * (middle + half))
