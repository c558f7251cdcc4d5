"""Which pair of policies plays next: the one whose payoff is known least. Pure.

A match is a number of episodes of one pair. Every pair plays one; after that the pair with the widest interval plays,
until all intervals are narrow enough. A pair whose episodes all ended the same has no spread to learn from: with n
equal episodes, any other has a chance of at most 3 / n (95 %), and could change the payoff by the spread of all that
was seen.

Source: Hanley & Lippman-Hand, If nothing goes wrong, is everything all right?, JAMA 249 (1983), for 3 / n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulation.metrics.intervals import mean_interval
from simulation.metrics.registry import LEAST_UNITS

Pair = tuple[int, int]
Values = Sequence[Sequence[float]]
"""What each learner earned per step, one row per episode."""
MATCH = LEAST_UNITS
"""The episodes of a match: the fewest with an interval."""


@dataclass(frozen=True)
class PayoffEstimate:
    """What a learner earns with one pair of policies.

    Attributes:
        value: The mean per step.
        low: The lower end of its 95 % interval.
        high: The upper end.
        episodes: How many were played.
    """

    value: float
    low: float
    high: float
    episodes: int

    @property
    def width(self) -> float:
        """Return how wide the interval is."""
        return self.high - self.low


def estimate(values: Sequence[float], spread: float) -> PayoffEstimate:
    """Return the mean of episodes with its interval.

    Args:
        values: At least `MATCH` payoffs.
        spread: The largest payoff that was seen in any pair, less the least.
    """
    found = mean_interval(values)
    if found.known:
        return PayoffEstimate(found.value, found.low, found.high, found.n)
    reach = min(1.0, 3 / found.n) * spread
    return PayoffEstimate(found.value, found.value - reach, found.value + reach, found.n)


def spread_of(played: Mapping[Pair, Values]) -> float:
    """Return the largest payoff that was seen in any pair, less the least; 0 before anything was."""
    seen = [payoff for values in played.values() for row in values for payoff in row]
    return max(seen) - min(seen) if seen else 0.0


def next_pair(played: Mapping[Pair, Values], pairs: Sequence[Pair], *, width: float, most: int) -> Pair | None:
    """Return the pair that plays the next match; None where all are known well enough, or have played enough.

    Args:
        played: The episodes so far, by pair.
        pairs: All pairs, in the order in which ties are resolved.
        width: How wide an interval may be, in points a step.
        most: The most episodes of a pair.
    """
    if (unknown := next((pair for pair in pairs if not played.get(pair)), None)) is not None:
        return unknown
    spread = spread_of(played)
    widths = {pair: widest(played[pair], spread) for pair in pairs if len(played[pair]) < most}
    wide = {pair: each for pair, each in widths.items() if each > width}
    return max(wide, key=lambda pair: wide[pair]) if wide else None


def widest(values: Values, spread: float) -> float:
    """Return the widest interval of the learners' payoffs; `spread` as in `estimate`."""
    return max(estimate(column, spread).width for column in np.array(values).T.tolist())
