"""The canary: does a server answer with the version that it was asked to load?

A server can ignore a load, answer with the base, or forget a version when it restarts, and never say so. So a few
prompts are asked before a new name is used, and the served probabilities are compared with the trainer's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.inference.canary import LEAST, LIMIT, log_distance
from agents.learning.samples import Prompt
from agents.problems import SocietyError

__all__ = ["CANARY_PROMPTS", "LIMIT", "Canary", "CanaryError", "telling_prompts"]

CANARY_PROMPTS = 8
Chances = Sequence[Sequence[float]]
ServedProbabilities = Callable[[Sequence[Prompt]], Chances]


class CanaryError(SocietyError):
    """A server does not answer with the version that the trainer has."""


@dataclass(frozen=True)
class Canary:
    """Fixed prompts with what they are answered by the trainer.

    Args:
        version: The version's name.
        prompts: Prompts with choices; eight are enough.
        own: The probability of every choice under the version, by the trainer.
        parent: The same under the version it was made from.
    """

    version: str
    prompts: tuple[Prompt, ...]
    own: tuple[tuple[float, ...], ...]
    parent: tuple[tuple[float, ...], ...]

    @property
    def tells(self) -> bool:
        """Return whether version and parent are far enough apart that the check can tell one from the other."""
        return _apart(self.own, self.parent) > LIMIT

    def check(self, served: ServedProbabilities, where: str) -> float:
        """Return the largest distance in log-probability between the server and the trainer.

        Args:
            served: Asks the server for the probability of every choice of each prompt.
            where: The server, for messages.

        Raises:
            CanaryError: The server answers with something else.
        """
        found = served(self.prompts)
        if [len(row) for row in found] != [len(row) for row in self.own]:
            raise CanaryError(
                f"{where}: {self.version} was asked {len(self.own)} prompts and did not answer each choice"
            )
        distance, parent = _apart(found, self.own), _apart(found, self.parent)
        if distance <= LIMIT and (distance < parent or not self.tells):
            return distance
        raise CanaryError(
            f"{where} does not answer with {self.version}: {self._worst(found)}. {self._guess(parent)} "
            "Load the version under its own name on this server, and check again"
        )

    def _worst(self, found: Chances) -> str:
        rows = [
            (_distance(mine, theirs), mine, theirs, prompt, choice)
            for prompt, own, served in zip(self.prompts, self.own, found, strict=True)
            for choice, mine, theirs in zip(prompt.choices, own, served, strict=True)
        ]
        distance, mine, theirs, prompt, choice = max(rows, key=lambda row: row[0])
        return (
            f"P({choice}) of {prompt.learner} is {theirs:.3g} there and {mine:.3g} in the trainer, "
            f"{distance:.3g} apart in log-probability (at most {LIMIT})"
        )

    def _guess(self, parent: float) -> str:
        if parent <= LIMIT:
            return "It answers with the version before: it ignored the load, or forgot it in a restart."
        return "It answers with the base or with another adapter."


def _apart(one: Chances, other: Chances) -> float:
    """Return the largest distance of two tables of probabilities, in log-probability."""
    pairs = ((a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True))
    return max((_distance(a, b) for a, b in pairs), default=0.0)


def _distance(one: float, other: float) -> float:
    if not (math.isfinite(one) and math.isfinite(other)):
        return math.inf
    return log_distance(math.log(max(one, LEAST)), math.log(max(other, LEAST)))


def telling_prompts(prompts: Sequence[Prompt], own: Chances, parent: Chances, count: int = CANARY_PROMPTS) -> list[int]:
    """Return the numbers of the prompts on which a version differs most from its parent, in their order.

    Args:
        prompts: Prompts with choices.
        own: Their probabilities under the version.
        parent: The same under its parent.
        count: How many to return.
    """
    order = sorted(range(len(prompts)), key=lambda number: -_apart([own[number]], [parent[number]]))
    return sorted(order[:count])
