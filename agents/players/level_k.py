"""Scripted players that compute payoffs: level-k, best response, Nash mixer. Pure rules on `Observation`.

They use `Observation.payoff_model`, so they reason about this step only and assume that all others act alike: exact
for two players, and for more players where payoffs depend on the others' mean. Where a game gives no payoff model,
they draw an option as level 0 does. Of options with the same payoff they take the more accurate, then the more
cooperative.

Sources: Nagel, American Economic Review 85 (1995), and Stahl & Wilson, Games and Economic Behavior 10 (1995), for
level-k with a random level 0; Cournot (1838) for best responses to the last move; Nash, Annals of Mathematics 54
(1951), and Brown, in Koopmans' Activity Analysis (1951), for fictitious play.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence

from agents.players.observation import Aim, Observation, Option, PayoffModel

UNINFORMED = 0.5
"""The level assumed of unknown others: the mean of a uniform draw from the ends of the scale."""
ROUNDS = 1000
"""Rounds of fictitious play; its frequencies are near an equilibrium where it converges."""


def level_0(observation: Observation, rng: random.Random) -> Option:
    """Return any option, each as likely."""
    return rng.choice(observation.options)


def level_k(depth: int, observation: Observation, rng: random.Random) -> Aim:
    """Return the best reply to others of level `depth` - 1; level 0 is random, and assumed to be at 0.5."""
    if depth == 0 or observation.payoff_model is None:
        return level_0(observation, rng)
    level = UNINFORMED
    for _ in range(depth):
        level = best_reply(observation.options, observation.payoff_model, level)
    return level


def best_response(observation: Observation, rng: random.Random) -> Aim:
    """Return the best reply to what the others did last, as if they did it again; level 1 before the first step."""
    if observation.payoff_model is None or observation.others_last is None:
        return level_k(1, observation, rng)
    return best_reply(observation.options, observation.payoff_model, observation.others_last)


def nash_mixer(observation: Observation, rng: random.Random) -> Option:
    """Return a draw from a symmetric equilibrium of this step.

    With two options it is exact: the dominant one, else the mixture that leaves the others indifferent. With more
    options it is drawn from the frequencies of fictitious play.
    """
    if observation.payoff_model is None:
        return level_0(observation, rng)
    options = observation.options
    payoffs = [[outcome.payoff for outcome in observation.payoff_model(other.cooperation)] for other in options]
    weights = _indifferent(payoffs) if len(options) == 2 else _fictitious_play(payoffs)
    return rng.choices(options, weights)[0]


def best_reply(options: Sequence[Option], payoff_model: PayoffModel, level: float) -> float:
    """Return the cooperation level of the option with the best expected outcome against others at `level`."""
    expected = _expected(options, payoff_model, level)
    ranks = [(*(round(each, 9) for each in expected[i]), option.cooperation) for i, option in enumerate(options)]
    best = max(range(len(options)), key=ranks.__getitem__)
    return options[best].cooperation


def _expected(options: Sequence[Option], payoff_model: PayoffModel, level: float) -> list[tuple[float, float]]:
    """Return payoff and accuracy per option; a level between two options is a mixture of just those two."""
    levels = sorted({option.cooperation for option in options})
    place = min(bisect_left(levels, level), len(levels) - 1)
    high, low = levels[place], levels[max(0, place - 1)]
    if level >= high or low == high:
        return [(payoff, accuracy) for payoff, accuracy in payoff_model(high)]
    share = (level - low) / (high - low)
    pairs = zip(payoff_model(low), payoff_model(high), strict=True)
    return [(_between(a.payoff, b.payoff, share), _between(a.accuracy, b.accuracy, share)) for a, b in pairs]


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _indifferent(payoffs: Sequence[Sequence[float]]) -> list[float]:
    """Return the weights of two options; payoffs[j][i] is what option i earns against option j."""
    against_first = payoffs[0][0] - payoffs[0][1]
    against_second = payoffs[1][0] - payoffs[1][1]
    if against_first * against_second >= 0:  # the first option does as well or better against both, or as badly
        return [1.0, 0.0] if against_first + against_second >= 0 else [0.0, 1.0]
    first = against_second / (against_second - against_first)
    return [first, 1.0 - first]


def _fictitious_play(payoffs: Sequence[Sequence[float]]) -> list[float]:
    """Return how often each option was the best reply to the frequencies before it, in `ROUNDS` rounds."""
    count = len(payoffs)
    earned = [sum(column) / count for column in zip(*payoffs, strict=True)]
    played = [0.0] * count
    for _ in range(ROUNDS):
        best = max(range(count), key=earned.__getitem__)
        played[best] += 1.0
        earned = [total + payoffs[best][i] for i, total in enumerate(earned)]
    return played
