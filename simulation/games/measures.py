"""What a game's figures measure, and how they are computed: closeness, welfare ratio, Gini. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

BEST_RESPONSE, SUBGAME_PERFECT = "best response", "subgame-perfect"
"""Kinds of accuracy that `simulation.games.equilibria` computes too: closeness to the best response to what all others
did in the step, and to the best decision if all play the named equilibrium afterwards."""


class Meaning(NamedTuple):
    """What a game's figure measures.

    Attributes:
        kind: One or two words. Figures may be compared and averaged if their kinds are the same, never otherwise.
        text: What the game measures, in plain words, as a column's heading shows it.
    """

    kind: str
    text: str


def refuse_not_positive(name: str, payoffs: Mapping[str, float]) -> None:
    """Refuse a game in which the payoff `name` is not above what an invalid decision earns, 0.

    Args:
        name: The payoff of cooperation.
        payoffs: Every payoff of a step, by parameter.

    Raises:
        ValueError: It is not. The message names the same game with all payoffs shifted so that the least is 0.
    """
    if payoffs[name] > 0:
        return
    shift = -min(payoffs.values())
    shifted = ", ".join(f"{key}: {value + shift:g}" for key, value in payoffs.items())
    raise ValueError(
        f"{name} is {payoffs[name]:g} and must be above 0, as an invalid decision earns 0 and must not pay more; "
        f"the same game, with {shift:g} added to every payoff: {{{shifted}}}"
    )


def welfare_ratio(welfare: float, optimum: float) -> float:
    """Return `welfare` / `optimum`: the efficiency of play. This is its only definition.

    Returns:
        0-1; a welfare below 0 counts as 0. nan where nothing can be won (the optimum is 0 or less): no share of it can
        be taken.
    """
    return min(1.0, max(0.0, welfare / optimum)) if optimum > 0 else math.nan


def closeness(payoff: float, alternatives: Sequence[float]) -> float:
    """Return how close `payoff` is to the best response.

    Args:
        payoff: One of `alternatives`.
        alternatives: The payoffs of all actions.

    Returns:
        0 for the worst alternative, 1 for the best, linear in between; 1 if all are equal up to rounding.
    """
    best, worst = max(alternatives), min(alternatives)
    return 1.0 if math.isclose(best, worst, rel_tol=1e-9, abs_tol=1e-9) else (payoff - worst) / (best - worst)


def gini(values: Sequence[float]) -> float:
    """Return the Gini coefficient of `values`.

    It is the mean absolute difference over twice the mean, computed by the sorted-rank form.

    Returns:
        0 if all values are equal or all are zero, (n - 1) / n if one value is all of the sum; nan if a value is
        negative: the coefficient has no upper bound there, and a shift of all values would change it.

    Source:
        Sen, On Economic Inequality (1973).
    """
    n, total = len(values), sum(values)
    if min(values, default=0.0) < 0:
        return math.nan
    if n == 0 or total <= 0:
        return 0.0
    weighted = sum(rank * value for rank, value in enumerate(sorted(values), start=1))
    return max(0.0, 2 * weighted / (n * total) - (n + 1) / n)


def tidy(value: float) -> float:
    """Round away the error of summing, so that a mean of ones is exactly 1."""
    return min(1.0, max(0.0, round(value, 12)))


def least(a: float | None, b: float | None) -> float | None:
    """Return the smaller of two levels; None counts as no level."""
    return b if a is None else a if b is None else min(a, b)


def known(figure: float) -> float | None:
    """Return a figure, or None in place of nan: JSON has no nan."""
    return None if math.isnan(figure) else figure
