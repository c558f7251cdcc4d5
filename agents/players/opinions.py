"""Scripted players of the game `opinion`: each says its opinion as a number and moves it by what it hears. Pure.

| policy                | its next opinion                                                                       |
|-----------------------|----------------------------------------------------------------------------------------|
| stubborn              | its own                                                                                |
| degroot               | the mean of its own and all that it hears                                              |
| bounded_confidence_E  | the mean of its own and those that differ by at most E per cent of the scale           |
| voter                 | with chance 1/2 its own, else one of those that it hears, each as likely               |

A player without an opinion begins with any, each as likely. An opinion between two answers becomes one of the two by
chance, so that its mean is kept; bounded confidence takes the nearer one.

Source:
    DeGroot, JASA 69 (1974); Hegselmann & Krause, JASSS 5(3) (2002); Clifford & Sudbury, Biometrika 60 (1973), and
    Holley & Liggett, Annals of Probability 3 (1975), for the voter model.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from agents.players.observation import Observation, Option, closest

Rule = Callable[[float, Sequence[float], random.Random], float]
"""Own opinion, those heard and a generator -> the next opinion; all from 0 to 1."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def stubborn(own: float, _heard: Sequence[float], _rng: random.Random) -> float:
    """Return its own opinion."""
    return own


def degroot(own: float, heard: Sequence[float], _rng: random.Random) -> float:
    """Return the mean of its own opinion and all that it hears."""
    return (own + sum(heard)) / (1 + len(heard))


def bounded_confidence(reach: float, own: float, heard: Sequence[float], rng: random.Random) -> float:
    """Return the mean of its own opinion and of those within `reach` (0-1) of it."""
    return degroot(own, [each for each in heard if abs(each - own) <= reach + 1e-9], rng)


def voter(own: float, heard: Sequence[float], rng: random.Random) -> float:
    """Return its own opinion with chance 1/2, else one of those heard."""
    stays, other = rng.random() < 0.5, rng.choice(list(heard)) if heard else own
    return own if stays else other


def own_opinion(observation: Observation, rng: random.Random) -> Option:
    """Return the answer that is the player's opinion; one that has none draws it, in one step always the same."""
    own = observation.own_last
    level = rng.choice(observation.options).cooperation if own is None else own
    return closest(observation.options, level)


def heard_opinions(observation: Observation) -> list[float]:
    """Return the opinions in the texts heard, from 0 to 1: the first number of each, where it is on the scale.

    There are none in a game whose actions are not numbers.
    """
    ends = (observation.options[0].action, observation.options[-1].action)
    if not all(_NUMBER.fullmatch(end) for end in ends) or ends[0] == ends[1]:
        return []
    low, high = map(float, ends)
    found = (_NUMBER.search(text) for text in observation.heard)
    numbers = [float(match[0]) for match in found if match]
    return [(number - low) / (high - low) for number in numbers if low <= number <= high]


def between(observation: Observation, level: float, rng: random.Random) -> float:
    """Return one of the two levels around `level`, the nearer the likelier, so that the mean is `level`."""
    levels = sorted(option.cooperation for option in observation.options)
    above = bisect_left(levels, level - 1e-9)
    high, low = levels[min(above, len(levels) - 1)], levels[max(0, above - 1)]
    if high - level <= 1e-9 or high == low:
        return high
    return high if rng.random() < (level - low) / (high - low) else low
