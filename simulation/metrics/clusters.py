"""Intervals and p-values of figures that are reckoned from sums over clusters (episodes).

A sample is a matrix with one row per cluster: sums over what was seen in it. A statistic turns rows of totals
into one figure per row, nan where it cannot be reckoned. What happens within a cluster may depend on the rest of it
in any way; clusters are taken to be independent.

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
    """First column over second: a mean, where the first sums what was seen and the second counts it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, 0] / totals[:, 1], dtype=np.float64)


def cluster_bootstrap(
    statistic: Statistic, sums: Matrix, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Expanded percentile interval of `statistic` of the total of `sums`; clusters are drawn anew, whole.

    Plain percentiles are too narrow by Student's t and n / (n - 1): they are taken further out by as much. Draws in
    which the figure cannot be reckoned are left out. Raises SocietyError for fewer than 2 clusters.

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
    """Interval of a mean of values in 0-1 (columns: their sum, their number), for shares near 0 and 1, too.

    Clopper and Pearson's exact interval for as many independent observations as the clustered ones are worth,
    never more than there are. Where all agree nothing tells what they are worth: they then count as they are, less the
    correction for few clusters. Raises SocietyError for fewer than 2 clusters.

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
        raise SocietyError(f"level must lie between 0 and 1, not {level:g}")
    if len(sums) < 2:
        raise SocietyError(f"an interval needs at least 2 episodes with data; there are {len(sums)}: run more episodes")
    return len(sums)


def _total(sums: Matrix) -> Matrix:
    return np.asarray(sums.sum(axis=0, keepdims=True), dtype=np.float64)


def difference(first: Interval, second: Interval) -> Interval:
    """`first` - `second` from two independent estimates' own intervals; `n` is the smaller of theirs.

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
    """Two-sided p-value of no difference between two samples, were it chance which cluster is whose. Never 0.

    Source:
        Pitman (1937); Phipson & Smyth (2010).
    """
    both = np.concatenate([first, second])
    labels = _labels(len(first), len(second), permutations, seed)
    found = np.abs(statistic(labels @ both) - statistic((1 - labels) @ both))
    seen = abs(float(statistic(_total(first))[0] - statistic(_total(second))[0]))
    usable = found[np.isfinite(found)]
    bar = seen - 1e-12 * max(1.0, seen)  # sums in another order must still count as equal
    return float((1 + np.sum(usable >= bar)) / (1 + len(usable)))


@lru_cache(maxsize=4)
def _labels(first: int, second: int, permutations: int, seed: int) -> Matrix:
    """One random division a row: 1 for the clusters of the first sample, 0 for those of the second."""
    marks = np.zeros((permutations, first + second))
    marks[:, :first] = 1.0
    return np.random.default_rng(seed).permuted(marks, axis=1)
