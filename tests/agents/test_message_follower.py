"""The scripted player that does what it is told: how it reads a plan out of a message."""

from __future__ import annotations

import random

import pytest

from agents.language import Language
from agents.players.policies import POLICIES, Observation, Option, SpeakingStyle, announced_option

NUMBERS = tuple(Option(str(n), str(n), n / 20) for n in (0, 2, 10, 20))
WORDS = {
    Language.EN: (Option("cooperate", "cooperate", 1.0), Option("defect", "defect", 0.0)),
    Language.ZH: (Option("cooperate", "合作", 1.0), Option("defect", "背叛", 0.0)),
}


def level(options: tuple[Option, ...], *heard: str) -> float:
    view = Observation(step=1, max_steps=5, options=options, heard=heard)
    return POLICIES["message_follower"].decide(view, random.Random(0)).cooperation


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("My plan is 20; 0 is for others.", "20"),
        ("I give 2.", "2"),
        ("Expect 10 from me", "10"),
        ("这次选择10，下次看你们怎么做。", "10"),
        ("a multiplier of 1.2 or 0.5", None),
        ("200 or 102", None),
        ("", None),
    ],
)
def test_announced_option_takes_the_first_number_that_is_one(text: str, label: str | None) -> None:
    found = announced_option(text, NUMBERS)
    assert (found.label if found else None) == label


def test_announced_option_takes_the_longest_of_similar_labels() -> None:
    options = (Option("a", "plan", 0.0), Option("b", "plan b", 1.0))
    assert announced_option("My plan b is ready", options) == options[1]


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("name", ["always_cooperate", "always_defect", "suspicious_tit_for_tat"])
def test_message_follower_does_what_others_announce(language: Language, name: str) -> None:
    options = WORDS[language]
    view = Observation(step=1, max_steps=5, options=options)
    for seed in range(10):
        text = POLICIES[name].speak(view, random.Random(seed), language)
        assert level(options, text) == POLICIES[name].decide(view, random.Random(seed)).cooperation


def test_message_follower_averages_plans_and_ignores_other_talk() -> None:
    assert level(NUMBERS, "I give 0", "I give 20", "fine weather") == 0.5


def test_message_follower_without_messages_gives_nothing() -> None:
    assert level(NUMBERS) == level(NUMBERS, "fine weather") == 0.0


def test_message_follower_has_a_style_of_speaking() -> None:
    assert POLICIES["message_follower"].style is SpeakingStyle.RECIPROCATE
