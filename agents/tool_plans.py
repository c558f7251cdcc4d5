"""How scripted and simulated players call tools: in a network as their policy acts there, beside a game any tool."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agents.inference.provenance import Request, ToolCall
from agents.players.acting import ACTING, Say, wander
from agents.players.phrases import NETWORK_SENTENCES
from agents.social import Tool, plan_call

if TYPE_CHECKING:
    from agents.players.observation import Situation


def any_addressee(request: Request) -> str:
    """Return who gets a scripted or simulated player's message: any of the choices, each as likely, by the seed."""
    key = request.key
    name = f"{request.seed}/{key.model_id}/{key.talk_round}/address"
    return random.Random(name).choice(request.choices or ("",))


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
