"""The scripted players in a crowd: public goods, gift by gift; and that their word and their deed agree."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from agents.language import Language
from agents.players.policies import GENEROSITY, POLICIES, ROLE_POLICIES, announced_option
from agents.role import ModelRole
from simulation.games import find_game
from simulation.games.base import Game, Move
from simulation.games.public_goods import PublicGoods
from tests.simulation.games.table import game_of, opened

Step = tuple[int | None, ...]


def gifts(policy: str, others: list[Step], seed: int = 1) -> list[int]:
    """What `policy` gives, step by step, among players who give `others` whatever happens."""
    game = game_of(PublicGoods, 1 + len(others[0]), steps=len(others))
    state, rng, given = opened(game), random.Random(seed), []
    for step in others:
        own = POLICIES[policy].decide(game.observe(state, 0, Language.EN), rng).action
        given.append(int(own))
        state = game.resolve(state, [Move(own), *(Move(None if gift is None else str(gift)) for gift in step)])
    return given


ALL_GIVE, NONE_GIVES, HALF_GIVES, QUARTER, INVALID = (20, 20), (0, 0), (20, 0), (10, 0), (None, None)


@pytest.mark.parametrize(
    ("policy", "others", "expected"),
    [
        ("always_cooperate", [NONE_GIVES] * 3, [20, 20, 20]),
        ("always_defect", [ALL_GIVE] * 3, [0, 0, 0]),
        ("tit_for_tat", [QUARTER, HALF_GIVES, ALL_GIVE, NONE_GIVES], [20, 5, 10, 20]),
        ("suspicious_tit_for_tat", [QUARTER, HALF_GIVES, ALL_GIVE, NONE_GIVES], [0, 5, 10, 20]),
        ("grim", [(10, 10), ALL_GIVE, (20, 5), ALL_GIVE, ALL_GIVE], [20, 20, 20, 0, 0]),
        ("win_stay_lose_shift", [HALF_GIVES, QUARTER, QUARTER, ALL_GIVE, ALL_GIVE], [20, 20, 0, 20, 20]),
        ("conditional_cooperator", [ALL_GIVE, HALF_GIVES, NONE_GIVES, ALL_GIVE], [15, 20, 10, 0]),
        ("tit_for_tat", [NONE_GIVES, INVALID, ALL_GIVE], [20, 0, 20]),  # an invalid decision is nothing to repay
        ("tit_for_tat", [(0, None), ALL_GIVE], [20, 0]),  # of two others only the valid one counts
        ("grim", [NONE_GIVES, INVALID, ALL_GIVE], [20, 0, 0]),
    ],
)
def test_policies_in_public_goods(policy: str, others: list[Step], expected: list[int]) -> None:
    assert gifts(policy, others) == expected


def test_generous_tit_for_tat_forgives_a_third_of_the_time() -> None:
    given = gifts("generous_tit_for_tat", [NONE_GIVES] * 1501, seed=3)[1:]
    assert set(given) == {0, 20}
    four_sigma = 4 * (GENEROSITY * (1 - GENEROSITY) / 1500) ** 0.5
    assert given.count(20) / 1500 == pytest.approx(GENEROSITY, abs=four_sigma)


def test_a_random_player_gives_every_amount_as_often() -> None:
    given = gifts("random", [ALL_GIVE] * 2000, seed=3)
    # each of five counts is binomial with mean 400 and standard deviation 17.9; four of them
    assert all(given.count(amount) == pytest.approx(400, abs=72) for amount in (0, 5, 10, 15, 20))


def test_generosity_is_the_most_that_no_defector_profits_from() -> None:
    temptation, reward, punishment, sucker = 5, 3, 1, 0
    most = min(1 - (temptation - reward) / (reward - sucker), (reward - punishment) / (temptation - punishment))
    assert pytest.approx(most) == GENEROSITY


@pytest.mark.parametrize(("policy", "language"), itertools.product(POLICIES, Language))
@pytest.mark.parametrize("task_type", ["prisoners_dilemma", "public_goods", "commons"])
def test_policies_do_what_they_say_all_game_long(policy: str, task_type: str, language: Language) -> None:
    game: Game[Any] = game_of(find_game(task_type), 4, steps=5)
    state, rng, player = opened(game), random.Random(2), POLICIES[policy]
    while not game.is_terminal(state):
        views = [game.observe(state, seat, language) for seat in range(4)]
        said = [player.speak(view, random.Random(f"{seat}"), language) for seat, view in enumerate(views)]
        done = [player.decide(view, random.Random(f"{seat}")) for seat, view in enumerate(views)]
        assert [announced_option(text, view.options) for text, view in zip(said, views, strict=True)] == done
        others = [Move(rng.choice(view.options).action) for view in views[1:]]
        state = game.resolve(state, [Move(done[0].action), *others])


def test_every_role_has_a_policy() -> None:
    assert set(ROLE_POLICIES) == set(ModelRole)
    assert set(ROLE_POLICIES.values()) <= set(POLICIES.values())
    assert {name: policy.name for name, policy in POLICIES.items()} == {name: name for name in POLICIES}
