"""P-values by rearranging the data. Draws are seeded: the same numbers give the same p-value.

Sources: Fisher, The Design of Experiments (1935), for sign flips; Pitman, Supplement to the Journal of the Royal
Statistical Society 4 (1937), for permutations; Phipson & Smyth, Statistical Applications in Genetics and Molecular
Biology 9 (2010), for p-values that are never 0; Holm, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.intervals import Statistic

FLIPS = 10_000
_EXACT_UP_TO = 12  # pairs: so many sign patterns are all counted
_CHUNK = 1_000_000


def sign_flip_p_value(differences: Sequence[float] | Vector | Matrix, *, flips: int = FLIPS, seed: int = 0) -> float:
    """Return the two-sided p-value of a mean of 0: the sign of each paired difference is flipped. Never 0.

    Up to 12 pairs all sign patterns count; beyond, the observed one and `flips` random ones. `n` pairs cannot give a
    p-value below 2 / 2^n.

    Args:
        differences: One per pair; or a row of several per pair, whose mean's length is tested.
        flips: Random patterns beyond 12 pairs.
        seed: Of the random patterns.

    Raises:
        SocietyError: There are fewer than 2 pairs, or a difference is not finite.

    Source:
        Fisher, The Design of Experiments (1935); Phipson & Smyth (2010).
    """
    values = _pairs(differences)
    observed, n = float(np.linalg.norm(values.mean(axis=0))), len(values)
    bar = observed - 1e-12 * max(1.0, observed)  # sums in another order must still count as equal
    if n <= _EXACT_UP_TO:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float(np.mean(_lengths(1 - 2 * patterns, values) >= bar))
    rng = np.random.default_rng(seed)
    drawn = (_lengths(1 - 2 * rng.integers(0, 2, (rows, n)), values) for rows in _chunks(flips, n))
    return float((1 + sum(int(np.sum(lengths >= bar)) for lengths in drawn)) / (1 + flips))


def _pairs(differences: Sequence[float] | Vector | Matrix) -> Matrix:
    values = np.asarray(differences, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) < 2 or not np.isfinite(values).all():
        raise SocietyError("needs at least 2 finite paired differences: run more episodes")
    return values


def _lengths(signs: NDArray[np.int64], values: Matrix) -> Vector:
    """The length of the mean of `values` for each row of signs."""
    return np.asarray(np.linalg.norm(signs @ values / len(values), axis=1))


def _chunks(total: int, width: int) -> Iterator[int]:
    """Row numbers that add up to `total`, each small enough for the memory."""
    size = max(1, _CHUNK // width)
    yield from (min(size, total - done) for done in range(0, total, size))


def permutation_p_value(
    statistic: Statistic, first: Matrix, second: Matrix, *, permutations: int = FLIPS, seed: int = 0
) -> float:
    """Return the two-sided p-value of no difference between two samples: clusters are divided at random. Never 0.

    Args:
        statistic: Takes rows of totals to one figure per row.
        first: Sums, one row per cluster.
        second: The same of the other sample.
        permutations: How many divisions are drawn.
        seed: Of the draws.

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


def _total(sums: Matrix) -> Matrix:
    return np.asarray(sums.sum(axis=0, keepdims=True), dtype=np.float64)


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
