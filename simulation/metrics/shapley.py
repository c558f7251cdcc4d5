"""What each member adds to its team: Shapley values and pairwise synergy of a coalition-value function.

Shapley values are exact up to eight players, from sampled orders beyond, with a standard error; synergy is exact.
Sources: Shapley, Contributions to the Theory of Games II (1953); Castro, Gómez & Tejada, Computers & Operations
Research 36 (2009), for sampling; Grabisch & Roubens, International Journal of Game Theory 28 (1999), for the
interaction index.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agents.problems import SocietyError

EXACT_UP_TO = 8
SAMPLES = 2000

Coalition = frozenset[str]
CoalitionValue = Callable[[Coalition], float]
"""What a coalition earns without the others; called once per coalition."""


@dataclass(frozen=True)
class Share:
    """A player's Shapley value, in the value's units; `error` is its standard error, 0 where exact."""

    player: str
    value: float
    error: float


@dataclass(frozen=True)
class ShapleyValues:
    """Shares in the players' order; they add up to `grand` - `empty`, the values of all and of none."""

    shares: tuple[Share, ...]
    grand: float
    empty: float
    exact: bool

    def of(self, player: str) -> Share:
        """The share of `player`.

        Raises:
            SocietyError: There is no such player.
        """
        found = [share for share in self.shares if share.player == player]
        if not found:
            raise SocietyError(f"no player {player!r}; there are: {', '.join(s.player for s in self.shares)}")
        return found[0]


@dataclass(frozen=True)
class Synergy:
    """What two players earn together beyond what each adds alone; below 0 they hinder each other."""

    first: str
    second: str
    value: float


def shapley_values(
    players: Sequence[str], value: CoalitionValue, *, samples: int = SAMPLES, seed: int = 0
) -> ShapleyValues:
    """Each player's mean marginal contribution over all orders; over random orders beyond eight players.

    Args:
        players: Their names, each once.
        value: What a coalition earns.
        samples: Random orders beyond eight players, at least 2.
        seed: Of the random orders.

    Raises:
        SocietyError: There is no player, one is named twice, or there are fewer than two samples.
    """
    _check(players, least=1)
    if samples < 2:
        raise SocietyError(f"samples must be at least 2 for a standard error, not {samples}")
    known = _remembered(value)
    exact = len(players) <= EXACT_UP_TO
    shares = _exact(players, known) if exact else _sampled(players, known, samples, random.Random(seed))
    return ShapleyValues(tuple(shares), known(frozenset(players)), known(frozenset()), exact)


def synergies(players: Sequence[str], value: CoalitionValue) -> tuple[Synergy, ...]:
    """The Shapley interaction index of every pair of two to eight players.

    Raises:
        SocietyError: There are fewer or more players, or one is named twice.
    """
    _check(players, least=2)
    if len(players) > EXACT_UP_TO:
        raise SocietyError(f"synergy is computed for up to {EXACT_UP_TO} players, not {len(players)}")
    known = _remembered(value)
    return tuple(_synergy(pair, players, known) for pair in itertools.combinations(players, 2))


def _check(players: Sequence[str], least: int) -> None:
    if len(players) < least or len(set(players)) != len(players):
        raise SocietyError(f"needs at least {least} players, each named once; got: {', '.join(players) or 'none'}")


def _remembered(value: CoalitionValue) -> CoalitionValue:
    known: dict[Coalition, float] = {}

    def ask(coalition: Coalition) -> float:
        if coalition not in known:
            known[coalition] = value(coalition)
        return known[coalition]

    return ask


def _coalitions(players: Sequence[str]) -> Iterator[Coalition]:
    for size in range(len(players) + 1):
        yield from map(frozenset, itertools.combinations(players, size))


def _exact(players: Sequence[str], value: CoalitionValue) -> Iterator[Share]:
    n = len(players)
    for player in players:
        others = [other for other in players if other != player]
        terms = (
            (value(team | {player}) - value(team)) / (n * math.comb(n - 1, len(team))) for team in _coalitions(others)
        )
        yield Share(player, math.fsum(terms), 0.0)


def _sampled(players: Sequence[str], value: CoalitionValue, samples: int, rng: random.Random) -> Iterator[Share]:
    marginals: dict[str, list[float]] = {player: [] for player in players}
    for _ in range(samples):
        team: Coalition = frozenset()
        for player in rng.sample(players, len(players)):
            larger = team | {player}
            marginals[player].append(value(larger) - value(team))
            team = larger
    return (Share(player, *_mean_and_error(marginals[player])) for player in players)


def _synergy(pair: tuple[str, str], players: Sequence[str], value: CoalitionValue) -> Synergy:
    first, second = pair
    n = len(players)
    others = [other for other in players if other not in pair]

    def together(team: Coalition) -> float:
        return value(team | {first, second}) - value(team | {first}) - value(team | {second}) + value(team)

    terms = (together(team) / ((n - 1) * math.comb(n - 2, len(team))) for team in _coalitions(others))
    return Synergy(first, second, math.fsum(terms))


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))
