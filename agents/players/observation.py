"""What a scripted player sees of a game, and how it picks an action. Pure.

Every game scores each legal action on one scale, `cooperation` in 0-1, so one rule plays every game.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.language import Language
from agents.role import ModelRole


@dataclass(frozen=True)
class Option:
    """A legal action: its canonical name, how it reads in the prompt's language, and 0-1 how cooperative it is."""

    action: str
    label: str
    cooperation: float


Aim = float | Option
"""What a rule aims for: a cooperation level in 0-1, or one option where options of the same level differ."""


class ExpectedOutcome(NamedTuple):
    """What an option would bring in this step: its payoff, and its accuracy (0-1) as the game defines it."""

    payoff: float
    accuracy: float


PayoffModel = Callable[[float], Sequence[ExpectedOutcome]]
"""Cooperation level in 0-1 of all the others -> each option's prospect in this step."""


@dataclass(frozen=True)
class Observation:
    """What a player sees of the game before it acts; constant in size however long the episode.

    `own_last`, `others_last` (mean) and `others_worst` (least ever) are cooperation levels in 0-1 of the
    players this one faces; None before the first step, or where their decision was invalid. `heard` holds the
    texts heard in this step's talk; while talking, those of the last one. `payoff_model` tells what each option would
    pay in this step if all others took their option nearest to a level; the game works it out when it is called,
    one step's play per option. It is None where that would tell what the player cannot know.
    """

    step: int
    max_steps: int
    options: tuple[Option, ...]
    own_last: float | None = None
    others_last: float | None = None
    others_worst: float | None = None
    heard: tuple[str, ...] = ()
    payoff_model: PayoffModel | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Situation:
    """What a mind needs to play and speak without a language model."""

    role: ModelRole
    language: Language
    view: Observation


def closest(options: Sequence[Option], level: float) -> Option:
    """The first of `options` whose cooperation is nearest to `level`."""
    return min(options, key=lambda option: abs(option.cooperation - level))


def announced_option(text: str, options: Sequence[Option]) -> Option | None:
    """The option whose label `text` names first, the longest of several there; None where it names none."""
    found = [(place, -len(option.label), option) for option in options if (place := _place(option.label, text)) >= 0]
    return min(found, key=lambda each: each[:2])[2] if found else None


def _place(label: str, text: str) -> int:
    """Where `label` stands in `text`, case aside: as a whole word or number, Chinese anywhere; -1 where nowhere."""
    before = r"(?<![a-z0-9.])" if label[:1].isascii() else ""
    after = r"(?!\.?[a-z0-9])" if label[-1:].isascii() else ""
    match = re.search(before + re.escape(label) + after, text, re.IGNORECASE)
    return match.start() if match else -1
