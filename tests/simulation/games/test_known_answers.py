"""Figures from the literature, reproduced with scripted players and the games alone."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.language import Language
from agents.players.policies import POLICIES
from simulation.games.base import Move, Setting
from simulation.games.commons import Commons, CommonsParameters, best_harvest
from simulation.games.prisoners_dilemma import PrisonersDilemma
from simulation.games.public_goods import PublicGoods, PublicGoodsParameters
from simulation.games.score import EpisodeScore
from simulation.games.strategy import StrategyGame, response_bonus
from simulation.seats import Seat


def seats(count: int, teams: str = "") -> tuple[Seat, ...]:
    return tuple(Seat(f"m{i}", teams[i] if teams else None) for i in range(count))


def dilemma(first: str, second: str, steps: int = 200, seed: int = 0) -> tuple[float, float]:
    game = PrisonersDilemma(Setting(seats(2), steps))
    state = game.start(random.Random(seed))
    rng = random.Random(seed)
    while not game.is_terminal(state):
        observations = [game.observe(state, player, Language.EN) for player in (0, 1)]
        policies = (POLICIES[first], POLICIES[second])
        state = game.resolve(
            state,
            [Move(p.decide(observation, rng).action) for p, observation in zip(policies, observations, strict=True)],
        )
    return state.tally.payoff[0], state.tally.payoff[1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("tit_for_tat", "always_defect", (199, 204)),
        ("tit_for_tat", "always_cooperate", (600, 600)),
        ("always_defect", "always_cooperate", (1000, 0)),
        ("always_defect", "always_defect", (200, 200)),
        ("grim", "always_defect", (199, 204)),
        ("suspicious_tit_for_tat", "tit_for_tat", (500, 500)),
        ("win_stay_lose_shift", "always_defect", (100, 600)),
    ],
)
def test_iterated_dilemma_of_200_turns(first: str, second: str, expected: tuple[int, int]) -> None:
    assert dilemma(first, second) == expected


def test_two_random_players_earn_2_25_a_turn() -> None:
    turns, totals = 200, [sum(dilemma("random", "random", 200, seed)) / 2 for seed in range(40)]
    mean = sum(totals) / len(totals) / turns
    # the payoff of a turn has a standard deviation below 1.3: over 8,000 turns, four standard errors are 0.06
    assert mean == pytest.approx(2.25, abs=0.06)


def goods(given: list[int], steps: int = 1) -> EpisodeScore:
    game = PublicGoods(Setting(seats(5), steps), PublicGoodsParameters(endowment=20, multiplier=1.6))
    state = game.start(random.Random(0))
    while not game.is_terminal(state):
        state = game.resolve(state, [Move(str(amount)) for amount in given])
    return game.score(state)


def test_public_goods_of_five() -> None:
    nobody, everybody, one_rides = goods([0] * 5), goods([20] * 5), goods([0, 20, 20, 20, 20])
    assert [player.payoff for player in nobody.players] == [20] * 5
    assert [player.payoff for player in everybody.players] == [pytest.approx(32)] * 5
    assert one_rides.players[0].payoff == pytest.approx(45.6)
    assert (nobody.welfare, everybody.welfare) == (nobody.nash, pytest.approx(everybody.optimum))
    assert [player.accuracy for player in one_rides.players] == [1, 0, 0, 0, 0]
    assert everybody.players[0].efficiency == 1


def fishery(plan: list[str]) -> EpisodeScore:
    game = Commons(Setting(seats(5), 12), CommonsParameters(capacity=100, growth=2, harvests=(0, 5, 10, 15, 20)))
    state = game.start(random.Random(0))
    for action in plan:
        if game.is_terminal(state):
            break
        state = game.resolve(state, [Move(action)] * 5)
    return game.score(state)


def test_fishery_of_five_for_twelve_rounds() -> None:
    assert fishery(["10"] * 12).welfare == 600
    assert fishery(["10"] * 11 + ["20"]).welfare == 650 == pytest.approx(fishery(["10"]).optimum)
    greedy = fishery(["20"] * 12)
    assert greedy.welfare == 100 == greedy.nash
    assert fishery(["10"] * 11 + ["20"]).players[0].accuracy == 1


@settings(max_examples=30, deadline=None)
@given(steps=st.integers(1, 3), growth=st.sampled_from([1.0, 1.5, 2.0, 3.0]), most=st.integers(2, 12))
def test_no_plan_of_whole_numbers_beats_the_optimum(steps: int, growth: float, most: int) -> None:
    best = 0.0
    for plan in itertools.product(range(most + 1), repeat=steps):
        stock, total = 10.0, 0.0
        for asked in plan:
            taken = min(asked, stock)
            total, stock = total + taken, min(10.0, growth * (stock - taken))
        best = max(best, total)
    bound = best_harvest(10.0, growth, float(most), steps)
    assert best <= bound + 1e-6
    if growth in (1.0, 2.0):  # here whole numbers reach the bound
        assert best == pytest.approx(bound, abs=1.0)


def test_pairs_mix_teams_as_far_as_sizes_allow() -> None:
    for teams, mixed in (("rrrbbb", 3), ("rrrrbb", 2), ("rrggbb", 3)):
        for seed in range(20):
            game = PrisonersDilemma(Setting(seats(6, teams), 1))
            partner = game.start(random.Random(seed)).table
            assert all(partner[partner[i]] == i != partner[i] for i in range(6))
            assert sum(teams[i] != teams[partner[i]] for i in range(6)) // 2 == mixed


@pytest.mark.parametrize(
    ("message", "bonus"),
    [("hello", 0.05), ("我们合作", 0.10), ("Cooperation!", 0.10), ("we compete", 0.10), ("协同优化", 0.15)],
)
def test_reference_formula(message: str, bonus: float) -> None:
    assert response_bonus(message) == pytest.approx(bonus)
    game = StrategyGame(Setting(seats(2), 1, difficulty=0.5))
    state = game.resolve(game.start(random.Random(0)), [Move("cooperate", message, 0.8)] * 2)
    assert game.score(state).players[0].accuracy == pytest.approx(0.5 + 0.8 * 0.2 + bonus)
    capped = StrategyGame(Setting(seats(2), 1, difficulty=0.0))
    state = capped.resolve(capped.start(random.Random(0)), [Move("compete", message, 1.0)] * 2)
    assert capped.score(state).players[0].accuracy == 1
