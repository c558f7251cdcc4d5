"""Intervals and p-values of figures that are computed from sums over clusters (episodes).

A sample is a matrix with one row per cluster: sums over its observations. A statistic turns rows of totals into one
figure per row, nan where it cannot be computed. Observations of one cluster may depend on each other in any way;
clusters are assumed to be independent.

Sources: Cameron, Gelbach & Miller, Review of Economics and Statistics 90 (2008), for the bootstrap; Hesterberg, The
American Statistician 69 (2015), for its percentiles where clusters are few; Korn & Graubard,
Survey Methodology 24 (1998), for shares; Zou & Donner, Statistics in Medicine 27 (2008), for differences;
Pitman, Supplement to the Journal of the Royal Statistical Society 4 (1937), and Phipson & Smyth, Statistical
Applications in Genetics and Molecular Biology 9 (2010), for p-values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.inference import FLIPS, LEVEL, RESAMPLES
from simulation.metrics.registry import Interval

Statistic = Callable[[Matrix], Vector]


def ratio(totals: Matrix) -> Vector:
    """First column over second: a mean, where the first sums observations and the second counts them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, 0] / totals[:, 1], dtype=np.float64)


def cluster_bootstrap(
    statistic: Statistic, sums: Matrix, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Expanded percentile interval of `statistic` of the total of `sums`; whole clusters are resampled.

    Plain percentiles are too narrow by Student's t and n / (n - 1), so percentiles further out are used. Draws in
    which the figure cannot be computed are left out.

    Args:
        statistic: Turns totals into the figure.
        sums: One row per cluster, at least 2.
        level: Confidence level, in (0, 1).
        resamples: How many draws.
        seed: Of the draws.

    Raises:
        SocietyError: There are fewer than 2 clusters, or `level` is outside its range.

    Source:
        Cameron, Gelbach & Miller (2008); Hesterberg (2015).
    """
    from scipy.stats import t

    n = _clusters(sums, level)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    found = statistic(drawn @ sums)
    tail = NormalDist().cdf(math.sqrt(n / (n - 1)) * float(t.ppf((1 - level) / 2, n - 1)))
    low, high = np.nanquantile(found, [tail, 1 - tail])
    return Interval(float(low), float(statistic(_total(sums))[0]), float(high), level, n)


def cluster_share(sums: Matrix, *, level: float = LEVEL) -> Interval:
    """Interval of a mean of values in 0-1, valid for shares near 0 and 1 as well.

    It is Clopper and Pearson's exact interval for the number of independent observations that the clustered ones are
    worth, at most as many as there are. Where all observations agree, that number is unknown; then each counts as
    one, less the correction for few clusters.

    Args:
        sums: One row per cluster, at least 2; columns: the sum of the values, and their number.
        level: Confidence level, in (0, 1).

    Raises:
        SocietyError: There are fewer than 2 clusters, or `level` is outside its range.

    Source:
        Korn & Graubard (1998).
    """
    from scipy.stats import beta, t

    n, seen = _clusters(sums, level), float(sums[:, 1].sum())
    share = float(sums[:, 0].sum() / seen)
    tail = (1 - level) / 2
    variance = n / (n - 1) * float(np.sum((sums[:, 0] - share * sums[:, 1]) ** 2)) / seen**2
    worth = min(seen, share * (1 - share) / variance) if variance > 0 else seen
    if seen > 1:
        worth *= min(1.0, float(t.ppf(tail, seen - 1) / t.ppf(tail, n - 1)) ** 2)
    hits = share * worth
    low = float(beta.ppf(tail, hits, worth - hits + 1)) if share > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, worth - hits)) if share < 1 else 1.0
    return Interval(min(low, share), share, max(high, share), level, n)


def _clusters(sums: Matrix, level: float) -> int:
    if not 0 < level < 1:
        raise SocietyError(f"level must be between 0 and 1, not {level:g}")
    if len(sums) < 2:
        raise SocietyError(f"an interval needs at least 2 episodes with data; there are {len(sums)}: run more episodes")
    return len(sums)


def _total(sums: Matrix) -> Matrix:
    return np.asarray(sums.sum(axis=0, keepdims=True), dtype=np.float64)


def difference(first: Interval, second: Interval) -> Interval:
    """`first` - `second`, from the intervals of two independent estimates; `n` is the smaller of theirs.

    Source:
        Zou & Donner (2008).
    """
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Interval(low, value, high, first.level, min(first.n, second.n))


def permutation_p_value(
    statistic: Statistic, first: Matrix, second: Matrix, *, permutations: int = FLIPS, seed: int = 0
) -> float:
    """Two-sided p-value of no difference between two samples: clusters are divided at random. Never 0.

    Source:
        Pitman (1937); Phipson & Smyth (2010).
    """
    both = np.concatenate([first, second])
    labels = _labels(len(first), len(second), permutations, seed)
    found = np.abs(statistic(labels @ both) - statistic((1 - labels) @ both))
    observed = abs(float(statistic(_total(first))[0] - statistic(_total(second))[0]))
    usable = found[np.isfinite(found)]
    bar = observed - 1e-12 * max(1.0, observed)  # sums in another order must still count as equal
    return float((1 + np.sum(usable >= bar)) / (1 + len(usable)))


@lru_cache(maxsize=4)
def _labels(first: int, second: int, permutations: int, seed: int) -> Matrix:
    """One random division a row: 1 for the clusters of the first sample, 0 for those of the second."""
    marks = np.zeros((permutations, first + second))
    marks[:, :first] = 1.0
    return np.random.default_rng(seed).permuted(marks, axis=1)
