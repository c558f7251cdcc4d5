"""The tier simulated: policies by role that do what they say, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.inference.errors import PermanentError
from agents.inference.provenance import CallKey, ChatMessage, Purpose, Tier
from agents.inference.simulated import SimulatedBackend
from agents.language import Language
from agents.players.policies import Observation, Option, Situation
from agents.role import ModelRole
from tests.agents.inference.conftest import make_request

OPTIONS = tuple(Option(f"give_{n}", f"give {n}", n / 20) for n in (0, 5, 10, 15, 20))
CHOICES = tuple(option.label for option in OPTIONS)
BACKEND = SimulatedBackend()


def situation(role: ModelRole, language: Language = Language.EN, others_last: float | None = None) -> Situation:
    observation = Observation(step=1, max_steps=5, options=OPTIONS, others_last=others_last)
    return Situation(role, language, observation)


def key(purpose: Purpose, step: int = 0) -> CallKey:
    return CallKey(episode=0, step=step, model_id="m1", purpose=purpose)


async def answer(**changes: object) -> str:
    return (await BACKEND.complete(make_request(**changes))).text


@pytest.mark.parametrize(
    ("role", "others_last", "plan"),
    [
        (ModelRole.LEADER, 0.0, "give 20"),
        (ModelRole.COMPETITOR, 1.0, "give 0"),
        (ModelRole.TEAMMATE, None, "give 20"),
        (ModelRole.TEAMMATE, 0.25, "give 5"),
        (ModelRole.FOLLOWER, 0.5, "give 10"),
    ],
)
async def test_each_role_plays_its_policy(role: ModelRole, others_last: float | None, plan: str) -> None:
    decided = await answer(situation=situation(role, others_last=others_last), choices=CHOICES, seed=7)
    assert decided == plan


@pytest.mark.parametrize("step", range(12))
async def test_a_policy_does_what_it_says_in_a_step(step: int) -> None:
    own = situation(ModelRole.NEUTRAL)  # draws its plan
    message = await answer(key=key(Purpose.TALK, step), situation=own, seed=7)
    for attempt in (0, 1):
        again = replace(key(Purpose.DECIDE, step), attempt=attempt)
        action = await answer(key=again, situation=own, seed=7, choices=CHOICES)
        assert f"{action} " in f"{message.replace('.', ' ').replace(';', ' ').replace(',', ' ')} "


async def test_plans_vary_over_steps_and_seeds() -> None:
    own = situation(ModelRole.NEUTRAL)
    plans = {
        await answer(key=key(Purpose.DECIDE, step), situation=own, seed=seed, choices=CHOICES)
        for step in range(5)
        for seed in range(5)
    }
    assert len(plans) > 1


async def test_it_speaks_the_language_of_the_situation() -> None:
    assert "我" in await answer(situation=situation(ModelRole.LEADER, Language.ZH))


async def test_a_plan_that_is_no_choice_is_an_error() -> None:
    with pytest.raises(PermanentError, match="'give 20', which is none of: yes, no"):
        await answer(situation=situation(ModelRole.LEADER), choices=("yes", "no"), key=key(Purpose.DECIDE))


async def test_a_message_of_certain_words_is_the_plan_or_else_a_drawn_word() -> None:
    talk = {"situation": situation(ModelRole.LEADER), "key": key(Purpose.TALK)}
    assert await answer(**talk, choices=("give 0", "give 20")) == "give 20"
    assert {await answer(**talk, choices=("ba", "du"), seed=seed) for seed in range(20)} == {"ba", "du"}


async def test_without_a_situation_a_choice_is_a_seeded_draw() -> None:
    drawn = [await answer(choices=CHOICES, seed=seed) for seed in range(30)]
    assert drawn == [await answer(choices=CHOICES, seed=seed) for seed in range(30)]
    assert set(drawn) == set(CHOICES)


@pytest.mark.parametrize(("prompt", "mark"), [("Hello", "simulated reply"), ("你好", "模拟回复")])
async def test_without_a_situation_a_text_says_it_is_simulated(prompt: str, mark: str) -> None:
    assert mark in await answer(messages=(ChatMessage("user", prompt),))


async def test_the_simulated_tier_is_always_available() -> None:
    [detection] = await BACKEND.detect()
    assert (detection.tier, detection.available) == (Tier.SIMULATED, True)
    assert BACKEND.refuses(make_request()) == ""
