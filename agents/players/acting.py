"""How scripted and simulated players act in a social network: a pure function for each policy that has a way.

A function takes what its player sees and returns one legal move. Every other policy takes any offered action with any
legal target (`wander`); beside a game, it calls any tool (`plan_call`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agents.inference.provenance import ToolCall
from agents.network import NetworkView, SocialActionName, SocialMove, move_of
from agents.players.phrases import NETWORK_SENTENCES
from agents.social import LONGEST_TEXT, Tool, plan_call

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


def wander(view: NetworkView, say: Say, rng: random.Random) -> SocialMove:
    """Take any offered action with any legal target; search for a word of a post that is shown."""
    action = rng.choice([action for action, targets in view.targets.items() if targets != ()])
    targets = view.targets[action]
    text = _query(view, say, rng) if action in _BY_A_WORD else say()
    return move_of(action, rng.choice(targets) if targets else None, text)


_BY_A_WORD = (SocialActionName.SEARCH_POSTS, SocialActionName.SEARCH_USER, SocialActionName.CREATE_GROUP)


def _query(view: NetworkView, say: Say, rng: random.Random) -> str:
    """Return a word of a post that is shown, or else of what the player would say."""
    words = [word for post in view.shown for word in post.text.split()]
    return rng.choice(words or say().split())[:LONGEST_TEXT]


def planned_call(
    policy: str, situation: Situation | None, tools: Sequence[Tool], say: Say, rng: random.Random
) -> ToolCall:
    """Return a player's tool call.

    Args:
        policy: The name of its policy.
        situation: What it sees.
        tools: The tools that it is offered.
        say: Gives the text of a post or comment beside a game.
        rng: Its generator.
    """
    if situation is None or situation.network is None:
        return plan_call(tools, say, rng)
    sentences = NETWORK_SENTENCES[situation.language]
    move = ACTING.get(policy, wander)(situation.network, lambda: rng.choice(sentences), rng)
    return ToolCall("scripted", move.action.value, json.dumps(dict(move.arguments), ensure_ascii=False))
