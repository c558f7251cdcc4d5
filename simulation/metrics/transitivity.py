"""Whether one rating per player explains who earns more than whom, or players beat each other in circles.

A margin is what row earned more than column when they met. Margins are split into the part that differences of one
rating per player explain, and the cyclic rest, which is orthogonal to it (combinatorial Hodge decomposition).

Sources: Jiang, Lim, Yao & Ye, Mathematical Programming 127 (2011), HodgeRank; Candogan, Menache, Ozdaglar & Parrilo,
Mathematics of Operations Research 36 (2011), for games; Balduzzi et al., Re-evaluating Evaluation, NeurIPS 2018.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.inference import sign_flip_p_value
from simulation.metrics.registry import LEAST_UNITS

SIGNIFICANT = 0.05
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Transitivity:
    """Whether play is transitive. Margins may be partly cyclic without a circle of winners.

    Attributes:
        cyclic_share: The cyclic share of the squared margins (0-1); chance alone raises it above 0.
        p_value: Of the cyclic part being nothing but chance; nan where there are too few episodes for a test.
        circle: Three players of whom each earns more than the next, and the last more than the first, on average: the
            clearest such three; empty where there are none.
        why: Why there is no p-value; empty where there is one.
    """

    cyclic_share: float
    p_value: float
    circle: tuple[int, ...] = ()
    why: str = ""

    @property
    def transitive(self) -> bool | None:
        """Whether nothing speaks against one rating per player: the p-value is at least 0.05. None without a test."""
        return None if self.why else self.p_value >= SIGNIFICANT


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


def transitivity(episodes: Mapping[tuple[int, int], Vector], players: int) -> Transitivity:
    """Return whether play is transitive.

    Under the null hypothesis the cyclic part of an episode's margins is as likely as its negative, so the signs of
    whole episodes are flipped. Pairs of one episode may depend on each other.

    Args:
        episodes: The margins per episode of every pair (i, j), i < j; episodes that not all pairs have are left out.
        players: How many players there are.

    Source:
        Jiang et al. (2011); Candogan et al. (2011); Balduzzi et al., NeurIPS 2018; sign flips: Fisher (1935).
    """
    count = min((len(values) for values in episodes.values()), default=0)
    margins = np.zeros((count, players, players))
    for (i, j), values in episodes.items():
        margins[:, i, j], margins[:, j, i] = values[:count], -values[:count]
    mean = margins.mean(axis=0) if count else np.zeros((players, players))
    circle = clearest_circle(mean)
    if count < LEAST_UNITS:
        why = f"too few episodes: {count}, need {LEAST_UNITS}"
        return Transitivity(cyclic_share(mean), math.nan, circle, why)
    cyclic = _without_rounding(_cyclic(margins), margins).reshape(count, -1)
    return Transitivity(cyclic_share(mean), sign_flip_p_value(cyclic), circle)


def _without_rounding(cyclic: Matrix, margins: Matrix) -> Matrix:
    """Set to 0 what is no more than the error of rounding."""
    scale = float(np.abs(margins).max(initial=0.0))
    return np.where(np.abs(cyclic) <= _ROUNDING * scale, 0.0, cyclic)


def clearest_circle(margins: Matrix) -> tuple[int, ...]:
    """Three players who beat each other in a circle: those whose smallest margin is the largest. Empty without any."""
    triples = itertools.permutations(range(len(margins)), 3)
    circles = [(min(margins[a, b], margins[b, c], margins[c, a]), (a, b, c)) for a, b, c in triples if a < min(b, c)]
    least, circle = max(circles, default=(0.0, ()), key=lambda found: found[0])
    return circle if least > 0 else ()
