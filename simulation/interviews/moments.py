"""Moments of a run as a user writes them: "2.3" is step 3 of episode 2, both from 1; "*.last" is every last step."""

from __future__ import annotations

import re
from typing import NamedTuple

from agents.problems import UsageError

ANY, LAST = "*", "last"
_FORM = re.compile(r"\s*(\*|[1-9]\d{0,8})\.(\*|last|[1-9]\d{0,8})\s*")


class Moment(NamedTuple):
    """Steps of a run.

    Attributes:
        episode: The episode's index, from 0; None is every episode.
        step: The step's index, from 0; None is every step.
        last: Whether the last step of an episode is meant, whichever it is.
    """

    episode: int | None
    step: int | None
    last: bool = False

    def is_at(self, episode: int, step: int, last: bool) -> bool:
        """Return whether a step is meant; `last` tells whether it is the last of its episode."""
        here = last if self.last else self.step in (None, step)
        return here and self.episode in (None, episode)


def moment_asked(at: str | tuple[int, int]) -> tuple[str, Moment]:
    """Return the moment that a user gives as a text or as a pair of episode and step, both from 1, and its text.

    Raises:
        UsageError: It is none.
    """
    text = ".".join(map(str, at)) if isinstance(at, (tuple, list)) else at
    try:
        return text, moment_of(text)
    except ValueError as error:
        raise UsageError(f"at {text!r}: {error}") from None


def moment_of(value: object) -> Moment:
    """Return the moment that a text such as "1.3", "*.1" or "2.last" means.

    Raises:
        ValueError: It means none; the text says why.
    """
    if isinstance(value, float):
        raise ValueError(f'{value} is a number, in which 1.1 and 1.10 are the same; write it in quotes: "{value}"')
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            "write EPISODE.STEP, both counted from 1; * is every one, last the last step: 1.3, *.1, 2.last"
        )
    episode, step = match.groups()
    return Moment(
        None if episode == ANY else int(episode) - 1,
        None if step in (ANY, LAST) else int(step) - 1,
        step == LAST,
    )
