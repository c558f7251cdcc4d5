"""Noise: a step is the step of what was carried out, which differs as often as the task says."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.language import Language
from agents.players.policies import POLICIES
from agents.problems import SocietyError
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.games import find_game, task_types
from simulation.games.base import Game, GameError, Move, Setting
from simulation.games.conformance import legal_actions, make_game, random_moves
from simulation.games.equilibria import search
from simulation.games.noise import trembling
from simulation.seats import Seat
from simulation.task import TrainingTask
from simulation.training.graph import GameGraph, SilentTable

NOISE = 0.05
every_game = pytest.mark.parametrize("task_type", [name for name in task_types() if name != "social_network"])


def noisy(game: Game[Any], noise: float) -> Game[Any]:
    return type(game)(replace(game.setting, noise=noise), game.parameters)


def dilemma(steps: int, noise: float) -> Game[Any]:
    return find_game("prisoners_dilemma")(Setting((Seat("ann"), Seat("bo")), steps, noise=noise))


@every_game
def test_step_is_that_of_the_actions_carried_out(task_type: str) -> None:
    still = make_game(find_game(task_type))
    game, rng = noisy(still, 0.5), random.Random(1)
    state = game.start(random.Random(2))
    while not game.is_terminal(state):
        moves = random_moves(game, state, rng, invalid=0.1)
        played = [replace(move, action=game.played(state, i, move.action)) for i, move in enumerate(moves)]
        after = game.resolve(state, moves)
        assert after == still.resolve(state, played)
        for player, (made, done) in enumerate(zip(moves, played, strict=True)):
            may_change = player in game.shaken(state) and len(legal_actions(game, state, player)) > 1
            assert (made.action != done.action) == (may_change and made.action is not None)
        state = after


@given(seed=st.integers(0, 2**64 - 1), step=st.integers(0, 10**6), players=st.integers(1, 50))
def test_who_trembles_follows_from_seed_and_step(seed: int, step: int, players: int) -> None:
    assert trembling(seed, step, players, 0.0) == {}
    assert set(trembling(seed, step, players, 1.0)) == set(range(players))
    some = trembling(seed, step, players, 0.4)
    assert some == trembling.__wrapped__(seed, step, players, 0.4)
    assert all(0 <= number < 1 for number in some.values())


def test_decisions_change_as_often_as_the_noise_says() -> None:
    steps, players = 400, 100
    count = sum(len(trembling(7, step, players, NOISE)) for step in range(steps))
    draws = steps * players
    assert abs(count / draws - NOISE) < 4 * math.sqrt(NOISE * (1 - NOISE) / draws)


def test_every_other_action_comes_equally_often() -> None:
    game = noisy(make_game(find_game("public_goods")), 1.0)
    actions = legal_actions(game, game.start(random.Random(0)), 0)
    found = Counter(game.played(game.start(random.Random(seed)), 0, actions[0]) for seed in range(3000))
    share = 1 / (len(actions) - 1)
    assert set(found) == set(actions[1:])
    for count in found.values():
        assert abs(count / 3000 - share) < 4 * math.sqrt(share * (1 - share) / 3000)


def mean_payoff_of_tit_for_tat(steps: int, noise: float) -> float:
    """The exact mean payoff a step of two players of tit-for-tat, by the chain of what they carried out last."""
    pairs = [(one, other) for one in "CD" for other in "CD"]
    flip = {True: 1 - noise, False: noise}
    moves = np.array(
        [[flip[after[0] == before[1]] * flip[after[1] == before[0]] for after in pairs] for before in pairs]
    )
    payoff = np.array([{"CC": 3, "CD": 0, "DC": 5, "DD": 1}["".join(pair)] for pair in pairs])
    total, chances = 0.0, np.array([1.0, 0, 0, 0])  # they mean to begin with cooperation
    for _ in range(steps):
        chances = chances @ moves
        total += float(chances @ payoff)
    return total / steps


def test_noisy_tit_for_tat_earns_what_its_chain_says() -> None:
    steps, earned, play = 100, [], POLICIES["tit_for_tat"]
    game = dilemma(steps, NOISE)
    for seed in range(200):
        state = game.start(random.Random(seed))
        while not game.is_terminal(state):
            seen = [game.observe(state, player, Language.EN) for player in range(2)]
            state = game.resolve(state, [Move(play.decide(each, random.Random(0)).action) for each in seen])
        earned.append(fmean(state.tally.payoff) / steps)
    exact = mean_payoff_of_tit_for_tat(steps, NOISE)
    assert 2.25 < exact < 3
    assert abs(fmean(earned) - exact) < 4 * stdev(earned) / math.sqrt(len(earned))


def test_an_illegal_action_is_refused_although_noise_changes_it() -> None:
    game = dilemma(1, 1.0)
    with pytest.raises(GameError, match="ann played 'sleep'"):
        game.resolve(game.start(random.Random(0)), [Move("sleep"), Move("cooperate")])


def test_no_equilibrium_is_named_and_nothing_searched() -> None:
    game = dilemma(1, NOISE)
    state = game.resolve(game.start(random.Random(0)), [Move("defect")] * 2)
    assert math.isnan(game.score(state).nash)
    assert dilemma(1, 0.0).nash() == 2
    with pytest.raises(GameError, match="noise"):
        search(game)


def test_nothing_is_trained_exactly_where_there_is_noise() -> None:
    rows = tuple(ModelConfig(model_id=name, policy="tabular") for name in ("ann", "bo"))
    task = TrainingTask(task_id="t", task_type="prisoners_dilemma", noise=NOISE)
    table = SilentTable(task, dilemma(1, NOISE), rows, frozenset({"ann"}), TrainingMode.COMPETITIVE)
    with pytest.raises(SocietyError, match="noise"):
        GameGraph(table)


@pytest.mark.parametrize(
    ("task_type", "noise", "message"),
    [("social_network", 0.1, "nothing to change"), ("chicken", 1.5, "less than or equal to 1"), ("chicken", -0.1, "0")],
)
def test_noise_is_a_chance_of_decisions(task_type: str, noise: float, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingTask(task_id="t", task_type=task_type, noise=noise)


@pytest.mark.parametrize(("language", "words"), [(Language.EN, "5% of all decisions"), (Language.ZH, "5%的概率")])
def test_models_are_told_of_the_noise(language: Language, words: str) -> None:
    still, game = dilemma(1, 0.0), dilemma(1, NOISE)
    assert still.told_rules(language) == still.rules(language)
    assert game.told_rules(language).startswith(still.rules(language))
    assert words in game.told_rules(language)
