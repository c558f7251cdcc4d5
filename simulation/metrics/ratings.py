"""Skill ratings from who earned more than whom, by openskill's Plackett-Luce model.

A rating shows who wins meetings, not how much a model earns: in a dilemma the defector wins all its meetings. Read it
together with the matrix of payoffs. The order of the games changes ratings a little.

Sources: Weng & Lin, Journal of Machine Learning Research 12 (2011); Joshy, OpenSkill, JOSS 9 (2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from simulation.metrics.registry import LEVEL, Interval

if TYPE_CHECKING:
    from openskill.models import PlackettLuceRating


@dataclass(frozen=True)
class RatedSide:
    """One side of a game and what it earned: the side that earned most wins, sides that earned the same draw."""

    members: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Rating:
    """`skill` is the belief about a player, mu with mu +- z * sigma; it starts at 25 with a sigma of 25 / 3."""

    player: str
    skill: Interval
    sigma: float


def rate(games: Iterable[Sequence[RatedSide]], *, level: float = LEVEL) -> tuple[Rating, ...]:
    """Every player's rating after all games, the best first.

    Args:
        games: The sides of each game, in order.
        level: Confidence level of the intervals, in (0, 1).
    """
    from openskill.models import PlackettLuce

    model = PlackettLuce()
    known: dict[str, PlackettLuceRating] = {}
    played: dict[str, int] = {}
    for sides in games:
        teams = [[known.get(name) or model.rating(name=name) for name in side.members] for side in sides]
        rated = model.rate(teams, scores=[side.score for side in sides])
        for side, new in zip(sides, rated, strict=True):
            for name, rating in zip(side.members, new, strict=True):
                known[name] = rating
                played[name] = played.get(name, 0) + 1
    z = NormalDist().inv_cdf((1 + level) / 2)
    found = [
        Rating(
            name, Interval(each.mu - z * each.sigma, each.mu, each.mu + z * each.sigma, level, played[name]), each.sigma
        )
        for name, each in known.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.skill.value, each.player)))
