"""Does a server answer with the model that it names? Comparisons of replies, for runs and for training. Pure.

A server that does not know an adapter, or ignores it, may answer with the base model and name the adapter all the same.
Replies of temperature 0, and the probabilities of their tokens, show it. `agents.inference.servers.probing` asks for
them before a run, `agents.learning.canary` compares a new version's with the trainer's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LIMIT = 0.05
"""How far two log-probabilities of one model may be apart: arithmetic in batches of different size differs."""
LEAST = 1e-3
"""Probabilities below count as one: their logarithms differ by rounding alone."""
_ONE = 1.1
"""Two first tokens of one model share a probability of 1; the rest is rounding."""
_NOISE = 3.0
"""How many times its own noise a model's log-probability must differ by."""


@dataclass(frozen=True)
class CanaryReply:
    """A model's reply to one prompt at temperature 0.

    Args:
        text: The reply.
        tokens: Its tokens, each with its log-probability; empty where the server gives none.
    """

    text: str
    tokens: tuple[tuple[str, float], ...] = ()


def log_distance(one: float, other: float) -> float:
    """Return how far two log-probabilities are apart; infinite where one is no number."""
    if math.isnan(one) or math.isnan(other) or max(one, other) == math.inf:
        return math.inf
    least = math.log(LEAST)
    return abs(max(one, least) - max(other, least))


def reply_distance(one: CanaryReply, other: CanaryReply) -> float:
    """Return how far two replies are apart: the largest distance of their tokens' log-probabilities.

    Tokens count up to the first that differs, that one included: both are the likeliest there, so in a tie of one
    model, which rounding decides, they have about the same probability. Without probabilities, two texts are equal (0)
    or different (infinite).
    """
    if not one.tokens or not other.tokens:
        return 0.0 if one.text == other.text else math.inf
    farthest = 0.0
    for (mine, chance), (theirs, other_chance) in zip(one.tokens, other.tokens, strict=False):
        farthest = max(farthest, log_distance(chance, other_chance))
        if mine != theirs:  # in a tie of one model the two share what is not above 1
            return farthest if math.exp(chance) + math.exp(other_chance) < _ONE else math.inf
    return farthest


Pair = tuple[CanaryReply, CanaryReply]
"""What one model answers to a prompt that it is asked twice."""


def comparable(one: Pair, other: Pair) -> bool:
    """Return whether both models repeat themselves, so that they can be told apart."""
    return max(reply_distance(*one), reply_distance(*other)) < math.inf


def differ(one: Pair, other: Pair) -> bool:
    """Return whether two models cannot be the same: their replies are farther apart than each model's own two."""
    noise = max(reply_distance(*one), reply_distance(*other))
    return min(reply_distance(mine, theirs) for mine in one for theirs in other) > max(LIMIT, _NOISE * noise)
