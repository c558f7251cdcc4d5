"""Confidence intervals: one method for every estimate, by independent units (episodes, seeds).

An estimate is a figure of sums over units. Observations of one unit may depend on each other in any way; units are
independent. The figure without one unit, for each unit, gives the unit's influence (jackknife). Influences give the
interval:

| the sample | the interval |
|---|---|
| fewer than 6 units | none: "too few episodes: 4, need 6" |
| all units have the same value | none: there is no spread to learn from; a share of 0 or 1 has Jeffreys' |
| units have two values | the wider of Student's t and Jeffreys' interval of the share of the larger value |
| otherwise | at each end the wider of Student's t and its correction for skewness (Hall) |

The correction holds where payoffs are skewed; Student's t holds where rare values make the sample look skewed. At least
six units are needed: below, no method holds for skewed payoffs, and no sign-flip p-value can be under 0.05.
`simulation.metrics.coverage` measures how often these intervals contain the truth.

Sources: Student, Biometrika 6 (1908); Tukey, Annals of Mathematical Statistics 29 (1958), and Miller, Biometrika 61
(1974), for the jackknife; Hall, Journal of the Royal Statistical Society B 54 (1992), for the correction; Brown, Cai &
DasGupta, Statistical Science 16 (2001), for Jeffreys' interval; Zou & Donner, Statistics in Medicine 27 (2008), for
differences.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.registry import LEAST_UNITS, LEVEL, Interval

Statistic = Callable[[Matrix], Vector]
Bounds = tuple[float, float]
UNIT: Bounds = (0.0, 1.0)
"""The bounds of a share."""
_ROUNDING = 1e-12


def ratio(totals: Matrix) -> Vector:
    """First column over second: a mean, where the first sums observations and the second counts them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, 0] / totals[:, 1], dtype=np.float64)


def mean_interval(
    values: Sequence[float] | Vector, *, bounds: Bounds | None = None, level: float = LEVEL, unit: str = "episodes"
) -> Interval:
    """Return the mean of one value per unit, with its interval.

    Args:
        values: One finite value per independent unit, at least one.
        bounds: The least and the largest possible value, where they are known.
        level: Confidence level, in (0, 1).
        unit: What the units are, for the reason why there is no interval.

    Raises:
        SocietyError: There is no value, one is not finite, or `level` is outside its range.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise SocietyError("an estimate needs at least 1 finite value: run more episodes")
    return _interval(float(found.mean()), found - found.mean(), bounds, level, unit)


def cluster_interval(
    statistic: Statistic,
    sums: Matrix,
    *,
    bounds: Bounds | None = None,
    level: float = LEVEL,
    unit: str = "episodes",
) -> Interval:
    """Return a statistic of the total of sums over units, with its interval.

    Args:
        statistic: Takes rows of totals to one figure per row.
        sums: One row per unit, at least one.
        bounds: The least and the largest possible value, where they are known: (0, 1) for a share.
        level: Confidence level, in (0, 1).
        unit: What the units are, for the reason why there is no interval.

    Raises:
        SocietyError: There is no unit, or `level` is outside its range.
    """
    if not len(sums):
        raise SocietyError("an estimate needs at least 1 episode with data: run more episodes")
    total = sums.sum(axis=0, keepdims=True)
    value = float(statistic(total)[0])
    return leave_one_out_interval(value, statistic(total - sums), bounds=bounds, level=level, unit=unit)


def jackknife_interval(
    statistic: Callable[[Matrix], float],
    sample: Matrix,
    clusters: Sequence[int],
    *,
    level: float = LEVEL,
    unit: str = "seeds",
) -> Interval:
    """Return a statistic of a matrix, with its interval over clusters of rows.

    Args:
        statistic: Takes a matrix to one figure.
        sample: Finite; one row per run, one column per task.
        clusters: One label per row; rows of one label stay together.
        level: Confidence level, in (0, 1).
        unit: What the clusters are, for the reason why there is no interval.

    Raises:
        SocietyError: The sample is empty or not finite, labels are missing, or `level` is outside its range.
    """
    if sample.ndim != 2 or not sample.size or not np.isfinite(sample).all():
        raise SocietyError("scores must be a finite matrix of runs x tasks with at least one of each")
    labels = np.asarray(clusters)
    if len(labels) != len(sample):
        raise SocietyError(f"one cluster label is needed per row: {len(labels)} labels, {len(sample)} rows")
    value, known = statistic(sample), np.unique(labels)
    without = [statistic(sample[labels != each]) for each in known] if len(known) > 1 else [value]
    return leave_one_out_interval(value, np.array(without), level=level, unit=unit)


def leave_one_out_interval(
    value: float, without: Vector, *, bounds: Bounds | None = None, level: float = LEVEL, unit: str = "episodes"
) -> Interval:
    """Return any figure of independent units with its interval.

    Args:
        value: The figure of all units.
        without: The figure without each unit; a unit without which there is no figure (nan) gets no influence.
        bounds: The least and the largest possible value, where they are known.
        level: Confidence level, in (0, 1).
        unit: What the units are, for the reason why there is no interval.

    Raises:
        SocietyError: `level` is outside its range.
    """
    influences = np.nan_to_num((len(without) - 1) * (value - without), nan=0.0, posinf=0.0, neginf=0.0)
    return _interval(value, influences, bounds, level, unit)


def difference(first: Interval, second: Interval) -> Interval:
    """Return `first` - `second`, from the intervals of two independent estimates; `n` is the smaller of theirs.

    A side whose units are all the same counts as known exactly, unless the other side's are too.

    Source:
        Zou & Donner (2008).
    """
    value, n = first.value - second.value, min(first.n, second.n)
    few = [each for each in (first, second) if each.n < LEAST_UNITS]
    if few or not (first.known or second.known):
        worst = min(few or [first, second], key=lambda each: each.n)
        return Interval(math.nan, value, math.nan, first.level, n, worst.why)
    (a, b), (c, d) = (_widths(each) for each in (first, second))
    return Interval(value - math.hypot(a, d), value, value + math.hypot(b, c), first.level, n)


def _widths(interval: Interval) -> tuple[float, float]:
    if not interval.known:
        return 0.0, 0.0
    return interval.value - interval.low, interval.high - interval.value


def missing_intervals(intervals: Iterable[Interval]) -> Iterator[str]:
    """Why figures have no interval, as notes: one per reason."""
    for why, count in Counter(each.why for each in intervals if each.why).items():
        figures = "1 figure has" if count == 1 else f"{count} figures have"
        yield f"{figures} no interval: {why}"


# -- the method -----------------------------------------------------------------------------------------


def _interval(value: float, influences: Vector, bounds: Bounds | None, level: float, unit: str) -> Interval:
    if not 0 < level < 1:
        raise SocietyError(f"level must be between 0 and 1, not {level:g}")
    n = len(influences)
    if n < LEAST_UNITS:
        return Interval(math.nan, value, math.nan, level, n, f"too few {unit}: {n}, need {LEAST_UNITS}")
    scale = max(abs(value), *(map(abs, bounds) if bounds else ()), float(np.abs(influences).max()))
    if float(np.ptp(influences)) <= _ROUNDING * scale:
        return _of_equal(value, n, bounds, level, unit)
    low, high = _ends(value, influences - influences.mean(), level)
    if bounds:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Interval(min(low, value), value, max(high, value), level, n)


def _of_equal(value: float, n: int, bounds: Bounds | None, level: float, unit: str) -> Interval:
    """The interval of units with one value: only a share of 0 or 1 has one."""
    for end in bounds or ():
        if math.isclose(value, end, abs_tol=_ROUNDING):
            least, largest = bounds or UNIT
            low, high = _jeffreys(0.0 if end == least else 1.0, n, level)
            width = largest - least
            return Interval(least + low * width, value, least + high * width, level, n)
    return Interval(math.nan, value, math.nan, level, n, f"all {n} {unit} gave the same")


def _ends(value: float, deviations: Vector, level: float) -> tuple[float, float]:
    n = len(deviations)
    reach = _t_quantile((1 + level) / 2, n - 1) / math.sqrt(n)
    deviation = math.sqrt(float(np.square(deviations).sum()) / (n - 1))
    least, largest = float(deviations.min()), float(deviations.max())
    near = _ROUNDING * (largest - least)
    top = int(np.sum(deviations >= largest - near))
    if top + int(np.sum(deviations <= least + near)) == n:
        low, high = (least + share * (largest - least) for share in _jeffreys(top / n, n, level))
    else:
        skewness = _skewness(deviations, deviation)
        low, high = (-deviation * _corrected(end, skewness, n) for end in (reach, -reach))
    return value + min(low, -deviation * reach), value + max(high, deviation * reach)


def _skewness(deviations: Vector, deviation: float) -> float:
    """Sample skewness with an unbiased third moment; `deviation` is the standard deviation with n - 1."""
    n = len(deviations)
    return float(np.sum((deviations / deviation) ** 3)) * n / ((n - 1) * (n - 2))


def _corrected(end: float, skewness: float, n: int) -> float:
    """Where the skewed t-statistic over sqrt(n) has the quantile `end`: the inverse of Hall's cubic."""
    if abs(skewness) < 1e-6:
        return end
    third = skewness / 3
    return (float(np.cbrt(1 + 3 * third * (end - skewness / (6 * n)))) - 1) / third


def _jeffreys(share: float, n: int, level: float) -> tuple[float, float]:
    """Jeffreys' interval of a share of `n`; it reaches 0 for a share of 0, and 1 for one of 1."""
    from scipy.stats import beta

    tail, hits = (1 - level) / 2, share * n
    low = float(beta.ppf(tail, hits + 0.5, n - hits + 0.5)) if share > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 0.5, n - hits + 0.5)) if share < 1 else 1.0
    return low, high


@lru_cache(maxsize=256)
def _t_quantile(probability: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
