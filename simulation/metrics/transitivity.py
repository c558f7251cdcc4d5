"""Whether one rating per player explains who earns more than whom, or players beat each other in circles.

A margin is what row earned more than column when they met. Margins are split into the part that differences of one
rating per player explain, and the cyclic rest, which is orthogonal to it (combinatorial Hodge decomposition).

Sources: Jiang, Lim, Yao & Ye, Mathematical Programming 127 (2011), HodgeRank; Candogan, Menache, Ozdaglar & Parrilo,
Mathematics of Operations Research 36 (2011), for games; Balduzzi et al., Re-evaluating Evaluation, NeurIPS 2018.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.inference import RESAMPLES

SIGNIFICANT = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Transitivity:
    """Whether play is transitive. Margins may be partly cyclic without a circle of winners.

    Attributes:
        cyclic_share: The cyclic share of the squared margins (0-1); chance alone raises it above 0.
        p_value: Of the cyclic part being nothing but chance: the share of resampled transitive play of the same noise
            with as large a cyclic part.
        circle: Three players of whom each earns more than the next, and the last more than the first, on average: the
            clearest such three; empty where there are none.
    """

    cyclic_share: float
    p_value: float
    circle: tuple[int, ...] = ()

    @property
    def transitive(self) -> bool:
        """Whether nothing speaks against one rating per player: the p-value is at least 0.05."""
        return self.p_value >= SIGNIFICANT


def cyclic_share(margins: Matrix) -> float:
    """Share of the squared margins that no rating per player explains: 0 transitive, 1 purely cyclic (0-1).

    Args:
        margins: [row, column], antisymmetric; every pair has met.

    Raises:
        SocietyError: The matrix is not antisymmetric.

    Source:
        Jiang et al. (2011); Candogan et al. (2011); Balduzzi et al., NeurIPS 2018.
    """
    if margins.ndim != 2 or not np.allclose(margins, -margins.T):
        raise SocietyError("margins must be a square matrix with margins[i, j] == -margins[j, i]")
    total = float(np.square(margins).sum())
    return float(np.square(_cyclic(margins)).sum()) / total if total > 0 else 0.0


def _cyclic(margins: Matrix) -> Matrix:
    """The cyclic part; with every pair met once the rating of least squares is the mean margin."""
    rating = margins.mean(axis=-1)
    return np.asarray(margins - (rating[..., :, None] - rating[..., None, :]))


def transitivity(
    episodes: Mapping[tuple[int, int], Vector], players: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Transitivity:
    """Whether play is transitive.

    Under the null hypothesis the cyclic part is noise: it is resampled from the deviations of episodes from the mean
    of their pair.

    Args:
        episodes: The margins per episode of every pair (i, j), i < j.
        players: How many players there are.
        resamples: How many draws.
        seed: Of the draws.

    Source:
        Jiang et al. (2011); Candogan et al. (2011); Balduzzi et al., NeurIPS 2018;
        bootstrap test after Efron & Tibshirani (1993).
    """
    rng, noise = np.random.default_rng(seed), np.zeros((resamples, players, players))
    margins = np.zeros((players, players))
    for (i, j), values in episodes.items():
        deviations = values - values.mean()
        drawn = deviations[rng.integers(0, len(values), (resamples, len(values)))].mean(axis=1)
        margins[i, j], margins[j, i] = values.mean(), -values.mean()
        noise[:, i, j], noise[:, j, i] = drawn, -drawn
    observed, scale = float(np.square(_cyclic(margins)).sum()), float(np.square(margins).sum())
    by_chance = np.square(_cyclic(noise)).sum(axis=(1, 2)) >= observed - _ROUNDING * max(scale, _ROUNDING)
    p_value = float((1 + by_chance.sum()) / (1 + resamples))
    return Transitivity(cyclic_share(margins), p_value, clearest_circle(margins))


def clearest_circle(margins: Matrix) -> tuple[int, ...]:
    """Three players who beat each other in a circle: those whose smallest margin is the largest. Empty without any."""
    triples = itertools.permutations(range(len(margins)), 3)
    circles = [(min(margins[a, b], margins[b, c], margins[c, a]), (a, b, c)) for a, b, c in triples if a < min(b, c)]
    least, circle = max(circles, default=(0.0, ()), key=lambda found: found[0])
    return circle if least > 0 else ()
