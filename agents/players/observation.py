"""What a scripted player sees of a game, and how it picks an action. Pure.

Every game scores each legal action on one scale, `cooperation` from 0 to 1, so one rule plays every game.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.dataclass_init import quick_init
from agents.language import Language
from agents.network import NetworkView
from agents.role import ModelRole
from agents.strategy import TrainingMode


@quick_init
@dataclass(frozen=True)
class Option:
    """A legal action.

    Args:
        action: The canonical name, as tables have it.
        label: The name in the prompt's language.
        cooperation: How cooperative it is, from 0 to 1.
    """

    action: str
    label: str
    cooperation: float


Aim = float | Option
"""What a rule aims for: a cooperation level from 0 to 1, or one option where options of the same level differ."""


class ExpectedOutcome(NamedTuple):
    """What an option would bring in this step: its payoff, and its accuracy (0 to 1) as the game defines it."""

    payoff: float
    accuracy: float


PayoffModel = Callable[[float], Sequence[ExpectedOutcome]]
"""Cooperation level (0 to 1) of all the others -> the expected outcome of each option in this step."""


@quick_init
@dataclass(frozen=True)
class Observation:
    """What a player sees of the game before it acts; its size does not grow with the episode.

    Cooperation levels are from 0 to 1; they are None before the first step, or where a decision was invalid.

    Args:
        step: The step's number, from 0.
        max_steps: The most steps of the episode.
        options: The legal actions.
        own_last: This player's cooperation level in the last step.
        others_last: The mean level of its opponents in the last step.
        others_worst: The lowest level of its opponents in any step.
        heard: The texts heard in this step's talk; during the talk, those of the last step's.
        team_mates: The share (0-1) of its opponents that are of its own team; 0 without a team.
        payoff_model: Gives what each option would pay in this step if all others took their option nearest to a level.
            The game computes it on each call, one step's play per option. None where the player cannot know it.
    """

    step: int
    max_steps: int
    options: tuple[Option, ...]
    own_last: float | None = None
    others_last: float | None = None
    others_worst: float | None = None
    heard: tuple[str, ...] = ()
    team_mates: float = 0.0
    payoff_model: PayoffModel | None = field(default=None, compare=False, repr=False)


@quick_init
@dataclass(frozen=True)
class Situation:
    """What a scripted policy needs in order to play and speak.

    `mode` is that of the episode, never mixed; `network` is what the player sees where it acts in a social network.
    """

    role: ModelRole
    language: Language
    observation: Observation
    mode: TrainingMode = TrainingMode.COOPERATIVE
    network: NetworkView | None = None

    @property
    def among_rivals(self) -> bool:
        """Whether the player meets rivals: all in the competitive mode, in a team battle if most are not its team."""
        if self.mode is TrainingMode.TEAM_BATTLE:
            return self.observation.team_mates < 0.5
        return self.mode is TrainingMode.COMPETITIVE


def closest(options: Sequence[Option], level: float) -> Option:
    """Return the first of `options` whose cooperation is nearest to `level`."""
    return min(options, key=lambda option: abs(option.cooperation - level))


def announced_option(text: str, options: Sequence[Option]) -> Option | None:
    """Return the option whose label comes first in `text`, the longest of several there; None without any."""
    found = [(place, -len(option.label), option) for option in options if (place := _index(option.label, text)) >= 0]
    return min(found, key=lambda each: each[:2])[2] if found else None


def _index(label: str, text: str) -> int:
    """Return where `label` is in `text`, as a whole word or number (Chinese: anywhere), in any case; -1 if nowhere."""
    before = r"(?<![a-z0-9.])" if label[:1].isascii() else ""
    after = r"(?!\.?[a-z0-9])" if label[-1:].isascii() else ""
    match = re.search(before + re.escape(label) + after, text, re.IGNORECASE)
    return match.start() if match else -1
