"""How scripted and simulated players act in a social network: a pure function for each policy that has a way.

A function takes what its player sees and returns one legal move. Every other policy takes any offered action with any
legal target (`wander`). `agents.tool_plans` makes tool calls of moves.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from agents.network import LONGEST_TEXT, NetworkView, SocialActionName, SocialMove, move_of

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
