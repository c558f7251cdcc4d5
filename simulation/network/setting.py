"""The parameters of a social network task: platform, feed, activity, clock, first posts. Pure."""

from __future__ import annotations

import random
from datetime import datetime
from enum import Enum
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from agents.file_model import FileModel, Real, Text, Whole
from simulation.network.clock import FORMAT, StepClock
from simulation.network.feeds import FeedKind

HOURS = 24
Share = Annotated[Real, Field(ge=0, le=1)]


class NetworkScore(str, Enum):
    """What a step pays a user."""

    NONE = "none"
    REACH = "reach"
    ENGAGEMENT = "engagement"
    AGREEMENT = "agreement"


class FeedRule(FileModel):
    """Which posts an active user is shown."""

    kind: FeedKind = FeedKind.HOT
    """How they are chosen."""
    length: Whole = Field(default=5, ge=1, le=100)
    """How many they are at most."""


class ActivityRule(FileModel):
    """Who acts in a step, drawn by the seed: `{chance: 0.1}`, `{hours: [...]}` or `{in_turn: 1}`."""

    chance: Share = 1.0
    """The probability that a user is active in a step, 0 to 1."""
    hours: tuple[Share, ...] | None = Field(default=None, min_length=HOURS, max_length=HOURS)
    """The probability for each hour of the simulated day, 24 numbers from midnight, in place of `chance`."""

    in_turn: Whole | None = Field(default=None, ge=1)
    """So many users in each step, one after the other in an order drawn once by the seed."""

    @model_validator(mode="after")
    def _one_rule(self) -> ActivityRule:
        rules = [name for name in ("chance", "hours", "in_turn") if name in self.model_fields_set]
        if len(rules) > 1 and not (self.hours is None and self.in_turn is None):
            raise ValueError(f"give one of chance, hours and in_turn, not {' and '.join(rules)}")
        return self

    def active(self, users: int, when: datetime, step: int, seed: int) -> list[int]:
        """Return who is active in a step, in the order of their numbers.

        Args:
            users: How many users there are.
            when: The simulated time of the step.
            step: The step, from 0.
            seed: The seed of the episode.
        """
        if self.in_turn is not None:
            order = random.Random(f"turns/{seed}").sample(range(users), users)
            first = step * self.in_turn
            return sorted({order[place % users] for place in range(first, first + min(self.in_turn, users))})
        chance = self.chance if self.hours is None else self.hours[when.hour]
        if chance >= 1:
            return list(range(users))
        rng = random.Random(f"activity/{seed}/{step}")
        return [user for user in range(users) if rng.random() < chance]


class ClockRule(FileModel):
    """The simulated clock."""

    start: Text = "2026-01-01 08:00"
    """When step 1 is, as `2026-01-01 08:00`."""
    minutes: Real = Field(default=60, gt=0)
    """Minutes from a step to the next."""

    @field_validator("start")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        try:
            datetime.strptime(value, FORMAT)
        except ValueError:
            raise ValueError(f"{value!r} is no time; write it as 2026-01-01 08:00") from None
        return value

    @property
    def clock(self) -> StepClock:
        """Return the clock."""
        return StepClock(datetime.strptime(self.start, FORMAT), self.minutes)


class FirstComment(FileModel):
    """A comment that stands below a first post."""

    text: Text
    """What it says."""
    author: Text | None = None
    """The model_id of its author; without one it is drawn by the seed."""
    likes: Whole = Field(default=0, ge=0)
    """Likes that it has before step 1, of nobody in the network."""
    dislikes: Whole = Field(default=0, ge=0)
    """Dislikes that it has before step 1, of nobody in the network."""


class FirstPost(FirstComment):
    """A post that stands in the network before step 1, with its comments."""

    comments: tuple[FirstComment, ...] = ()
    """The comments below it, oldest first."""

    @property
    def authors(self) -> frozenset[str]:
        """Return the authors that are named."""
        return frozenset(each.author for each in (self, *self.comments) if each.author is not None)
