"""Scripted players in a group: public goods, gift by gift; and that they do what they say."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from agents.language import Language
from agents.players.observation import Situation
from agents.players.policies import (
    GENEROSITY,
    POLICIES,
    ROLE_POLICIES,
    ExpectedOutcome,
    Observation,
    Option,
    announced_option,
    generosity,
)
from agents.role import ModelRole
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.games.base import Game, Move
from simulation.games.public_goods import PublicGoods
from tests.simulation.games.table import game_of, opened

Step = tuple[int | None, ...]


def gifts(policy: str, others: list[Step], seed: int = 1) -> list[int]:
    """What `policy` gives, step by step, among players who always give `others`."""
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


def test_generous_tit_for_tat_forgives_as_the_payoffs_say() -> None:
    given = gifts("generous_tit_for_tat", [NONE_GIVES] * 1501, seed=3)[1:]
    assert set(given) == {0, 20}
    n = 1 + len(NONE_GIVES)  # 20 points each, multiplied by 1.6; all others give all or nothing
    r, t, s, p = 32.0, 20 + 32 * (n - 1) / n, 32 / n, 20.0
    chance = min(1 - (t - r) / (r - s), (r - p) / (t - p))
    four_sigma = 4 * (chance * (1 - chance) / 1500) ** 0.5
    assert given.count(20) / 1500 == pytest.approx(chance, abs=four_sigma)


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
        texts = [player.speak(view, random.Random(f"{seat}"), language) for seat, view in enumerate(views)]
        done = [player.decide(view, random.Random(f"{seat}")) for seat, view in enumerate(views)]
        assert [announced_option(text, view.options) for text, view in zip(texts, views, strict=True)] == done
        others = [Move(rng.choice(view.options).action) for view in views[1:]]
        state = game.resolve(state, [Move(done[0].action), *others])


def test_every_role_has_a_policy() -> None:
    assert set(ROLE_POLICIES) == set(ModelRole)
    assert {policy for both in ROLE_POLICIES.values() for policy in both} <= set(POLICIES.values())
    assert {name: policy.name for name, policy in POLICIES.items()} == {name: name for name in POLICIES}


def dilemma_seen(t: float, r: float, p: float, s: float, **seen: float | None) -> Observation:
    """Return what a player of a dilemma with these payoffs sees."""
    options = (Option("c", "c", 1.0), Option("d", "d", 0.0))
    pays = {1.0: (r, t), 0.0: (s, p)}
    return Observation(2, 5, options, payoff_model=lambda level: [ExpectedOutcome(x, 0) for x in pays[level]], **seen)


@pytest.mark.parametrize(
    ("payoffs", "expected"),
    [
        ((5, 3, 1, 0), 1 / 3),
        ((4, 3, 1, 0), 2 / 3),  # (r - p) / (t - p) is as large as 1 - (t - r) / (r - s)
        ((9, 6, 5, 0), 1 / 4),  # the second term is the smaller one
        ((12, 3, 1, 0), 0),  # the first term is negative
        ((3, 4, 1, 0), 0),  # no dilemma
    ],
)
def test_generosity_follows_from_the_payoffs(payoffs: tuple[float, float, float, float], expected: float) -> None:
    assert generosity(dilemma_seen(*payoffs)) == pytest.approx(expected)


def test_generosity_without_payoffs_is_that_of_5_3_1_0() -> None:
    assert generosity(Observation(0, 1, (Option("c", "c", 1.0),))) == GENEROSITY == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (1, 1, "c"),
        (0, 0, "c"),
        (1, 0, "d"),
        (0, 1, "d"),
        (1, None, "d"),
        (0, None, "c"),  # a void step earns 0, which is no win
        (None, 0, "c"),
        (None, 1, "c"),
        (None, None, "c"),
    ],
)
def test_win_stay_lose_shift_goes_by_both_moves(own: float | None, other: float | None, expected: str) -> None:
    seen = dilemma_seen(5, 3, 1, 0, own_last=own, others_last=other)
    assert POLICIES["win_stay_lose_shift"].decide(seen, random.Random(0)).action == expected


@pytest.mark.parametrize(
    ("mode", "team_mates", "rivals"),
    [
        (TrainingMode.COOPERATIVE, 0.0, False),
        (TrainingMode.COMPETITIVE, 1.0, True),
        (TrainingMode.TEAM_BATTLE, 0.0, True),
        (TrainingMode.TEAM_BATTLE, 0.4, True),
        (TrainingMode.TEAM_BATTLE, 0.5, False),
        (TrainingMode.TEAM_BATTLE, 1.0, False),
    ],
)
def test_roles_play_by_who_they_meet(mode: TrainingMode, team_mates: float, rivals: bool) -> None:
    seen = Observation(0, 1, (Option("c", "c", 1.0),), team_mates=team_mates)
    for role, both in ROLE_POLICIES.items():
        situation = Situation(role, Language.EN, seen, mode)
        assert situation.among_rivals is rivals
        assert both.of(situation) is both[rivals]


def test_observation_has_the_share_of_team_mates() -> None:
    game = game_of(PublicGoods, 5, teams=("red", "blue"))  # red: players 0, 2 and 4
    state = opened(game)
    assert [game.observe(state, player, Language.EN).team_mates for player in (0, 1)] == [0.5, 0.25]
    assert game_of(PublicGoods, 2).observe(opened(game_of(PublicGoods, 2)), 0, Language.EN).team_mates == 0
