"""Known answers of opinions: scripted players say their opinion to their neighbours and move it by what they hear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

from agents.strategy import TrainingMode
from simulation.studies.verify.verify import Expected, KnownCase, KnownFigure, Play

DEGROOT = "DeGroot, JASA 69 (1974): the mean weighted by 1 + links, the eigenvector of the weights"
HEGSELMANN = "Hegselmann & Krause, JASSS 5(3) (2002)"
VOTER = "Holley & Liggett, Annals of Probability 3 (1975); Sood & Redner, PRL 94 (2005): the share weighted by links"
SCALE = {"low": 0, "high": 1000}
STAR = tuple((0, other) for other in range(1, 5))
PATH = tuple((place, place + 1) for place in range(4))
STARS, VOTES = 24, 6
"""Voter models beside each other, and the episodes of each."""


def _talk(
    policies: Sequence[str],
    initial: Sequence[int],
    *,
    links: tuple[tuple[int, int], ...] = (),
    steps: int = 60,
    high: int = 1000,
    episodes: int = 1,
) -> Play:
    parameters = {"low": 0, "high": high, "initial": list(initial)}
    return Play(
        "opinion",
        tuple(policies),
        steps,
        parameters,
        mode=TrainingMode.COOPERATIVE,
        talk=True,
        links=links,
        episodes=episodes,
    )


def _weighted(initial: Sequence[float], links: Sequence[tuple[int, int]], own: int) -> float:
    """Return the mean of opinions, each weighted by `own` + its number of links."""
    weights = [own + sum(player in pair for pair in links) for player in range(len(initial))]
    return sum(weight * value for weight, value in zip(weights, initial, strict=True)) / sum(weights)


def _degroot(name: str, initial: Sequence[int], links: tuple[tuple[int, int], ...]) -> KnownCase:
    # an opinion is a whole number of thousandths: rounding by chance keeps its mean and moves it by a few of them
    limit = _weighted(initial, links, own=1) / 1000
    expected = Expected(KnownFigure.LAST_LEVEL, (limit,) * len(initial), 0.02)
    return KnownCase(name, _talk(["degroot"] * len(initial), initial, links=links), (expected,), DEGROOT)


def opinion_cases() -> Iterator[KnownCase]:
    """Yield the known answers of DeGroot's, Hegselmann and Krause's, and the voter model."""
    opinions = (1000, 0, 200, 100, 500)
    yield _degroot("DeGroot on a star: the hub counts most, rounded by chance", opinions, STAR)
    yield _degroot("DeGroot on a path: the ends count least, rounded by chance", opinions, PATH)
    stubborn = Expected(KnownFigure.LAST_LEVEL, (1.0,) * 5, 0.02)
    policies = ["stubborn", *["degroot"] * 4]
    yield KnownCase(
        "DeGroot with one stubborn player: all end at its opinion, rounded by chance",
        _talk(policies, opinions),
        (stubborn,),
        DEGROOT,
    )
    yield from _bounded_confidence()
    yield from _voters()


def _bounded_confidence() -> Iterator[KnownCase]:
    camps = (0, 100, 200, 800, 900, 1000)
    two = (Expected(KnownFigure.CLUSTERS, (2,)), Expected(KnownFigure.LAST_LEVEL, (*(0.1,) * 3, *(0.9,) * 3)))
    even = tuple(range(0, 1001, 100))
    for name, reach, initial, expected in (
        ("two camps out of each other's reach: each meets in its middle", 20, camps, two),
        ("opinions further apart than the reach: nobody moves", 5, even, (Expected(KnownFigure.CLUSTERS, (11,)),)),
        ("a wide reach on an even scale: one camp", 30, even, (Expected(KnownFigure.CLUSTERS, (1,)),)),
        ("a reach of one neighbour a side: three camps", 10, even, (Expected(KnownFigure.CLUSTERS, (3,)),)),
    ):
        play = _talk([f"bounded_confidence_{reach}"] * len(initial), initial, steps=20)
        yield KnownCase(f"bounded confidence, {name}", play, expected, HEGSELMANN)


def _voters() -> Iterator[KnownCase]:
    """Many stars beside each other, each a voter model of its own: the hub has half of all links, and wins half."""
    size, initial = len(STAR) + 1, (1, 0, 0, 0, 0)
    links = tuple((size * star + one, size * star + other) for star in range(STARS) for one, other in STAR)
    chance = _weighted(initial, STAR, own=0)
    within = 4 * sqrt(chance * (1 - chance) / (STARS * VOTES))
    expected = Expected(KnownFigure.MEAN_LEVEL, (chance,), within)
    play = _talk(["voter"] * size * STARS, initial * STARS, links=links, steps=30, high=1, episodes=VOTES)
    yield KnownCase(f"voter model, the hub of {STARS} stars: how often it wins, by chance", play, (expected,), VOTER)
