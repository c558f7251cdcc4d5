"""How scripted and simulated players act in a social network: a pure function for each policy that has a way.

A function takes what its player sees and returns one legal move. Every other policy takes any offered tool with any
legal target (`plan_call`), as it does beside a game.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agents.inference.provenance import ToolCall
from agents.network import NetworkView, SocialMove
from agents.social import Tool, plan_call

if TYPE_CHECKING:
    from agents.players.observation import Situation

Say = Callable[[], str]
"""Gives the text of a post or comment."""
Acting = Callable[[NetworkView, Say, random.Random], SocialMove]
"""What a player sees, its words and its generator -> what it does. `view.targets` has every legal action and target."""

ACTING: dict[str, Acting] = {}
"""The way to act of each policy that has one, by the policy's name."""


def acting(name: str) -> Callable[[Acting], Acting]:
    """Register a function as the way in which the policy `name` acts in a network."""

    def register(rule: Acting) -> Acting:
        ACTING[name] = rule
        return rule

    return register


def planned_call(
    policy: str, situation: Situation | None, tools: Sequence[Tool], say: Say, rng: random.Random
) -> ToolCall:
    """Return a player's tool call.

    Args:
        policy: The name of its policy.
        situation: What it sees.
        tools: The tools that it is offered.
        say: Gives the text of a post or comment.
        rng: Its generator.
    """
    view = situation.network if situation is not None else None
    if view is None or policy not in ACTING:
        return plan_call(tools, say, rng)
    move = ACTING[policy](view, say, rng)
    return ToolCall("scripted", move.action.value, json.dumps(dict(move.arguments), ensure_ascii=False))
