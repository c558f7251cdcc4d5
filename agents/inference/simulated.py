"""The simulated tier: no language model. A scripted policy for each role and mode plays and announces what it does.

A random draw depends only on the request's seed, episode, step and model. So what a model says in a step agrees with
what it then does, if both requests have the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from agents.inference.backend import Completion, Detection, Progress, Route
from agents.inference.errors import PermanentError
from agents.inference.provenance import Purpose, Request, Tier, ToolCall
from agents.language import Language
from agents.players.policies import ROLE_POLICIES, Situation
from agents.tool_plans import any_addressee, planned_call

_SIMULATED_REPLY = {
    Language.EN: "This is a simulated reply: no language model was asked for {adapter}.",
    Language.ZH: "这是模拟回复：没有任何语言模型为{adapter}作答。",
}


class SimulatedBackend:
    """A `TierBackend` that is always available; its replies are always marked as simulated."""

    tier = Tier.SIMULATED

    async def detect(self) -> Sequence[Detection]:
        """Return that the tier is available."""
        return (Detection(self.tier, True, "scripted policies play, by role; their texts are marked simulated"),)

    def refuses(self, _request: Request) -> str:
        """Return an empty text: this tier answers every request."""
        return ""

    async def prepare(self, progress: Progress) -> None:
        """Do nothing: there is nothing to load."""

    async def complete(self, request: Request, _route: Route | None = None) -> Completion:
        """Return the policy's message, its tool call, or one of `request.choices`.

        Raises:
            PermanentError: The policy's plan is none of the choices.
        """
        if request.tools:
            return Completion(text="", tool_calls=(_call(request),), finish_reason="tool_calls")
        return Completion(text=_answer(request))

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


def _answer(request: Request) -> str:
    rng = _stream(request)
    if request.key.purpose is Purpose.ADDRESS:
        return any_addressee(request)
    if request.situation is not None and request.key.purpose is Purpose.TALK:
        situation = request.situation
        policy = ROLE_POLICIES[situation.role].of(situation)
        return policy.message(situation.observation, rng, situation.language, request.choices or ())
    if request.situation is not None:
        return _play(request.situation, request.choices, rng)
    if request.choices:
        return rng.choice(request.choices)
    return _SIMULATED_REPLY[_language(request)].format(adapter=request.adapter)


def _call(request: Request) -> ToolCall:
    """Return a call of one of the tools with legal arguments; texts are what the policy says."""
    rng = _stream(request)
    situation = request.situation
    policy = ROLE_POLICIES[situation.role].of(situation).name if situation is not None else ""
    return planned_call(policy, situation, request.tools, lambda: _answer(replace(request, choices=None)), rng)


def _stream(request: Request) -> random.Random:
    key = request.key
    return random.Random(f"{request.seed}|{key.episode}|{key.step}|{key.model_id}")


def _play(situation: Situation, choices: Sequence[str] | None, rng: random.Random) -> str:
    policy = ROLE_POLICIES[situation.role].of(situation)
    if not choices:
        return policy.speak(situation.observation, rng, situation.language)
    plan = policy.decide(situation.observation, rng).label
    if plan not in choices:
        raise PermanentError(f"the policy {policy.name} plans {plan!r}, which is none of: {', '.join(choices)}")
    return plan


def _language(request: Request) -> Language:
    """Return the language of a request without a situation: Chinese if its last message has Han characters."""
    last = request.messages[-1].content if request.messages else ""
    return Language.ZH if any("\u4e00" <= character <= "\u9fff" for character in last) else Language.EN
