"""An interview's answer as a distribution: exact, drawn, or a rule's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.inference.provenance import (
    CallKey,
    ChatMessage,
    Provenance,
    Purpose,
    Reply,
    Request,
    Sampling,
    ScoredReply,
    Tier,
)
from agents.interviews import DRAWS, Measured, interview_request, interviewed
from agents.language import Language
from agents.players.observation import Observation, Option, Situation
from agents.problems import SocietyError
from agents.prompts import PlayerContext, Question, user_prompt
from agents.role import ModelRole

TRUST = Question("Do you trust them?", (1, 3))
OPTIONS = (Option("cooperate", "cooperate", 1.0), Option("defect", "defect", 0.0))


def asked(purpose: Purpose = Purpose.DECIDE, **keys: Any) -> Request:
    choices = ("cooperate", "defect") if purpose is Purpose.DECIDE else ()
    own = PlayerContext(1, 3, "You are ada.", (), "This is the first step.", choices)
    messages = (ChatMessage("system", "Rules."), ChatMessage("user", user_prompt(purpose, Language.EN, own)))
    return Request(CallKey(0, 0, "ada", purpose), "ada-adapter", messages, choices=choices or None, seed=5, **keys)


def question_of(request: Request, question: Question = TRUST) -> Request:
    return interview_request(request, question, number=2, seed=9, language=Language.EN)


def source(tier: Tier) -> Provenance:
    return Provenance(tier, "ada-adapter")


def saying(tier: Tier, texts: Callable[[Request], str]) -> Callable[[Request], Awaitable[Reply]]:
    async def answer(request: Request) -> Reply:
        return Reply(texts(request), source(tier))

    return answer


@pytest.mark.parametrize("purpose", [Purpose.TALK, Purpose.ACT, Purpose.DECIDE])
def test_question_stands_in_place_of_the_instruction(purpose: Purpose) -> None:
    request = question_of(asked(purpose))
    before, after = asked(purpose).messages[-1].content, request.messages[-1].content
    assert request.messages[0] == asked().messages[0]
    assert after.startswith("Step 1 of 3.\nYou are ada.\nNo messages heard.\nThis is the first step.\n")
    assert "Do you trust them?" in after
    assert after.endswith("Answer with one whole number from 1 to 3, and with the number only.")
    assert before.splitlines()[-1] not in after


def test_question_has_key_seed_and_temperature_of_its_own() -> None:
    request = question_of(asked(sampling=Sampling(temperature=0.2, top_p=0.5), tools=(), thinking=True))
    assert request.key == CallKey(0, 0, "ada", Purpose.INTERVIEW, 2)
    assert (request.seed, request.choices, request.thinking) == (9, ("1", "2", "3"), False)
    assert (request.sampling.temperature, request.sampling.top_p) == (1.0, 1.0)
    free = question_of(asked(sampling=Sampling(temperature=0.2)), Question("Why?"))
    assert (free.choices, free.sampling.temperature) == (None, 0.2)


def test_prompt_of_other_templates_is_refused() -> None:
    other = replace(asked(), messages=(ChatMessage("user", "Do as you like."),))
    with pytest.raises(SocietyError, match="episode 1, step 1, ada, decide: the prompt does not end"):
        question_of(other)


async def test_probabilities_of_the_tier_are_the_answer() -> None:
    async def answer(_request: Request) -> Reply:
        return ScoredReply("3", source(Tier.EMBEDDED), shares=(0.25, 0.25, 0.5))

    found = await interviewed(question_of(asked()), answer)
    assert (found.measured, found.point, found.shares, len(found.replies)) == (Measured.EXACT, 3, (0.25, 0.25, 0.5), 1)


async def test_draws_are_counted_where_probabilities_are_missing() -> None:
    seen: list[tuple[int, int | None]] = []

    def text(request: Request) -> str:
        seen.append((request.key.attempt, request.seed))
        return {0: "2", 1: "I would rather not say"}.get(request.key.attempt, "3")

    found = await interviewed(question_of(asked()), saying(Tier.HTTP, text))
    assert seen == [(draw, 9 + draw) for draw in range(DRAWS)]
    assert (found.measured, found.point, found.valid) == (Measured.DRAWN, 2, DRAWS - 1)
    assert found.shares == pytest.approx((0, 1 / (DRAWS - 1), (DRAWS - 2) / (DRAWS - 1)))


async def test_rule_answers_once_with_one_point() -> None:
    found = await interviewed(question_of(asked()), saying(Tier.SIMULATED, lambda _: "1"))
    assert (found.measured, found.shares, len(found.replies)) == (Measured.RULE, (1.0, 0.0, 0.0), 1)


async def test_answer_off_the_scale_has_no_distribution() -> None:
    found = await interviewed(question_of(asked()), saying(Tier.HTTP, lambda _: "no idea"))
    assert (found.point, found.shares, found.valid) == (None, (), 0)


def test_rule_sees_the_scale_as_its_actions() -> None:
    situation = Situation(ModelRole.NEUTRAL, Language.EN, Observation(0, 3, OPTIONS, payoff_model=lambda _level: ()))
    seen = question_of(asked(situation=situation)).situation
    assert seen is not None
    assert [(option.label, option.cooperation) for option in seen.observation.options] == [
        ("1", 0),
        ("2", 0.5),
        ("3", 1),
    ]
    assert seen.observation.payoff_model is None
    free = question_of(asked(situation=situation), Question("Why?")).situation
    assert free == situation
