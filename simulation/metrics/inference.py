"""Intervals and p-values by resampling. Draws are seeded: the same numbers give the same interval.

Sources: Efron & Tibshirani, An Introduction to the Bootstrap (1993), for percentile intervals; Agarwal et al.,
NeurIPS 2021, for strata; Cameron, Gelbach & Miller, Review of Economics and Statistics 90 (2008), for clusters;
Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology 9 (2010), for p-values that are
never 0; Holm, Scandinavian Journal of Statistics 6 (1979). Figures of sums over clusters: see
`simulation.metrics.clusters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.registry import Interval

LEVEL, RESAMPLES, FLIPS = 0.95, 2000, 10_000
_EXACT_UP_TO = 12  # pairs: so many sign patterns are all counted
_CHUNK = 1_000_000

Rows = NDArray[np.intp]


def stratified_bootstrap(
    statistic: Callable[..., float],
    *samples: Matrix,
    clusters: Sequence[int] | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile interval of `statistic(*samples)`: runs are resampled within each task.

    Args:
        statistic: Takes one matrix per sample.
        samples: Scores, one row per run and one column per task.
        clusters: One label per row, the same for all samples. With it, whole clusters of rows are resampled, so that
            rows of one seed stay together.
        level: Confidence level, in (0, 1).
        resamples: How many draws.
        seed: Of the draws.

    Raises:
        SocietyError: A sample is empty or not finite, or there are fewer than 2 runs (or clusters).

    Source:
        Agarwal et al., NeurIPS 2021; clusters after Cameron, Gelbach & Miller (2008).
    """
    _check(samples, clusters, level)
    rng = np.random.default_rng(seed)
    members = _members(clusters)
    found = np.array([statistic(*_drawn(samples, members, rng)) for _ in range(resamples)])
    units = len(set(clusters)) if clusters is not None else min(len(sample) for sample in samples)
    return percentile_interval(found, statistic(*samples), level, units)


def _check(samples: Sequence[Matrix], clusters: Sequence[int] | None, level: float) -> None:
    if not 0 < level < 1:
        raise SocietyError(f"level must be between 0 and 1, not {level:g}")
    for sample in samples:
        if sample.ndim != 2 or not sample.size or not np.isfinite(sample).all():
            raise SocietyError("scores must be a finite matrix of runs x tasks with at least one of each")
    lengths = {len(sample) for sample in samples} | ({len(clusters)} if clusters is not None else set())
    if clusters is not None and len(lengths) > 1:
        raise SocietyError(f"one cluster label is needed per row of every sample; lengths: {sorted(lengths)}")
    units = len(set(clusters)) if clusters is not None else min(lengths)
    if units < 2:
        raise SocietyError("an interval needs at least 2 independent runs (or seeds); there is 1: run more episodes")


def _members(clusters: Sequence[int] | None) -> list[Rows] | None:
    """The rows of each cluster."""
    if clusters is None:
        return None
    labels = np.asarray(clusters)
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _drawn(samples: Sequence[Matrix], members: list[Rows] | None, rng: np.random.Generator) -> Iterator[Matrix]:
    return _by_task(samples, rng) if members is None else _by_cluster(samples, members, rng)


def _by_task(samples: Sequence[Matrix], rng: np.random.Generator) -> Iterator[Matrix]:
    for sample in samples:
        yield np.take_along_axis(sample, rng.integers(0, len(sample), sample.shape), axis=0)


def _by_cluster(samples: Sequence[Matrix], members: list[Rows], rng: np.random.Generator) -> Iterator[Matrix]:
    rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
    return (sample[rows] for sample in samples)


def percentile_interval(found: Vector, value: float, level: float, n: int) -> Interval:
    """The interval of the estimate `value` with the resampled values `found`; `n` counts independent units."""
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), value, float(high), level, n)


def paired_bootstrap(
    differences: Sequence[float] | Vector, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Percentile interval of the mean of paired differences; whole pairs are resampled.

    Raises:
        SocietyError: There are fewer than 2 finite differences, or `level` is outside (0, 1).

    Source:
        Efron & Tibshirani (1993).
    """
    values = _pairs(differences)
    if not 0 < level < 1:
        raise SocietyError(f"level must be between 0 and 1, not {level:g}")
    rng, n = np.random.default_rng(seed), len(values)
    means = [values[rng.integers(0, n, (rows, n))].mean(axis=1) for rows in _chunks(resamples, n)]
    return percentile_interval(np.concatenate(means), float(values.mean()), level, n)


def sign_flip_p_value(differences: Sequence[float] | Vector, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Two-sided p-value of a mean of 0: the sign of each paired difference is flipped at random. Never 0.

    Up to 12 pairs all sign patterns count; beyond, the observed one and `flips` random ones.

    Raises:
        SocietyError: There are fewer than 2 finite differences.

    Source:
        Fisher, The Design of Experiments (1935); Phipson & Smyth (2010).
    """
    values = _pairs(differences)
    observed, n = abs(values.mean()), len(values)
    bar = observed - 1e-12 * max(1.0, observed)  # sums in another order must still count as equal
    if n <= _EXACT_UP_TO:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(np.abs((1 - 2 * patterns) @ values) / n >= bar))
    rng = np.random.default_rng(seed)
    drawn = ((1 - 2 * rng.integers(0, 2, (rows, n))) @ values / n for rows in _chunks(flips, n))
    return float((1 + sum(int(np.sum(np.abs(means) >= bar)) for means in drawn)) / (1 + flips))


def _pairs(differences: Sequence[float] | Vector) -> Vector:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise SocietyError("needs at least 2 finite paired differences: run more episodes")
    return values


def _chunks(total: int, width: int) -> Iterator[int]:
    """Row numbers that add up to `total`, each small enough for the memory."""
    size = max(1, _CHUNK // width)
    yield from (min(size, total - done) for done in range(0, total, size))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values adjusted for their number, in the given order.

    Source:
        Holm (1979).
    """
    count, worst = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, place in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = worst
    return tuple(adjusted)
