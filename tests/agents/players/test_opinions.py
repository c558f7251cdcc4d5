"""Scripted players of opinions: what they say, what they read, and how they move."""

from __future__ import annotations

import random

import numpy as np
import pytest

from agents.language import Language
from agents.players import opinions
from agents.players.observation import Observation, Option
from agents.players.policies import POLICIES

TENTHS = tuple(Option(str(place), str(place), place / 10) for place in range(11))
PLAYERS = ("stubborn", "degroot", "bounded_confidence_20", "voter")


def seen(own: float | None, *heard: str, options: tuple[Option, ...] = TENTHS) -> Observation:
    return Observation(1, 5, options, own_last=own, heard=heard)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", PLAYERS)
def test_what_a_player_says_is_read_as_its_opinion(name: str, language: Language) -> None:
    for seed in range(10):
        said = POLICIES[name].speak(seen(0.7, "I would say 2"), random.Random(seed), language)
        assert opinions.heard_opinions(seen(None, said)) == [0.7]


def test_first_opinion_is_the_same_when_said_and_when_used() -> None:
    for seed in range(20):
        said = POLICIES["stubborn"].speak(seen(None), random.Random(seed), Language.EN)
        decided = POLICIES["stubborn"].decide(seen(None), random.Random(seed))
        assert opinions.heard_opinions(seen(None, said)) == [decided.cooperation]


def test_texts_without_an_answer_are_no_opinion() -> None:
    assert opinions.heard_opinions(seen(0.5, "well", "11 of us agree", "-3", "about 4, or 9")) == [0.4]
    words = (Option("cooperate", "cooperate", 1.0), Option("defect", "defect", 0.0))
    assert opinions.heard_opinions(seen(0.5, "3", options=words)) == []


@pytest.mark.parametrize(
    ("name", "own", "heard", "expected"),
    [
        ("stubborn", 0.3, ("9", "9"), 0.3),
        ("degroot", 0.0, ("10", "2"), 0.4),
        ("bounded_confidence_20", 0.5, ("7", "10", "0"), 0.6),
        ("bounded_confidence_20", 0.5, ("10", "0"), 0.5),
    ],
)
def test_rules_move_opinions_as_defined(name: str, own: float, heard: tuple[str, ...], expected: float) -> None:
    assert POLICIES[name].decide(seen(own, *heard), random.Random(1)).cooperation == pytest.approx(expected)


def test_rounding_by_chance_keeps_the_mean() -> None:
    rng = random.Random(3)
    found = [POLICIES["degroot"].decide(seen(0.3, "4"), rng).cooperation for _ in range(4000)]
    assert set(found) == {0.3, 0.4}
    assert np.mean(found) == pytest.approx(0.35, abs=4 * 0.05 / np.sqrt(4000))


def test_voter_keeps_its_own_opinion_half_the_time() -> None:
    rng = random.Random(3)
    found = [POLICIES["voter"].decide(seen(1.0, "0", "0", "5"), rng).cooperation for _ in range(4000)]
    shares = [np.mean([each == level for each in found]) for level in (1.0, 0.0, 0.5)]
    assert shares == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=0.03)
