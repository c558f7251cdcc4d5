"""The naming game: random play in closed form, and conventions that form and last."""

from __future__ import annotations

import random
from itertools import product

import pytest
from pydantic import ValidationError

from agents.language import Language
from simulation.games.coordination import CoordinationParameters
from tests.simulation.games.pair_table import levels, observations, pair_game, play, policies, script, step

NAMES = CoordinationParameters().names


@pytest.mark.parametrize("mismatch", [0.0, -0.5])
def test_nash_is_the_mean_over_all_pairs_of_names(mismatch: float) -> None:
    """Uniform mixing pays match / k + mismatch * (1 - 1 / k) each; checked by playing every joint choice."""
    game = pair_game("coordination", max_steps=1, mismatch=mismatch)
    welfare = [sum(play(game, script(*said)).tally.payoff) for said in product(NAMES, repeat=2)]
    assert sum(welfare) / len(welfare) == pytest.approx(game.nash())
    assert game.nash() == pytest.approx(2 * (1 / 5 + mismatch * 4 / 5))


def test_random_players_match_in_one_of_k_meetings() -> None:
    game = pair_game("coordination", 20, 200, names=("a", "b", "c", "d"))
    success = game.score(play(game, policies("random"))).players[0].efficiency
    assert success == pytest.approx(1 / 4, abs=4 * (0.25 * 0.75 / 2000) ** 0.5)  # four standard errors


def test_every_name_can_be_the_convention() -> None:
    game = pair_game("coordination", 6, 4)
    for name in NAMES:
        score = game.score(play(game, lambda _player, _observation, name=name: name))
        assert score.welfare == score.optimum == 24
        assert {player.accuracy for player in score.players} == {1.0}


@pytest.mark.parametrize("seed", range(5))
def test_cooperators_agree_on_one_name_and_keep_it(seed: int) -> None:
    game = pair_game("coordination", 10, 150)
    state, said = game.start(random.Random(seed)), []
    while not game.is_terminal(state):
        state = step(game, state, policies("always_cooperate"))
        said.append({past[-1].said for past in state.table.memory})
    first = next(index for index, names in enumerate(said) if len(names) == 1)
    assert len(said[0]) > 1
    assert all(names == said[first] for names in said[first + game.parameters.memory :])
    assert len(said[-1]) == 1


def test_different_populations_agree_on_different_names() -> None:
    ends = set()
    for seed in range(12):
        game = pair_game("coordination", 6, 100)
        ends.add(play(game, policies("always_cooperate"), seed).table.memory[0][-1].said)
    assert len(ends) >= 3


def test_every_player_has_its_own_order_of_names() -> None:
    game = pair_game("coordination", 8)
    state = game.start(random.Random(1))
    orders = {tuple(levels(observation.options)) for observation in observations(game, state)}
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(NAMES)}


def test_cooperation_level_is_how_often_a_name_was_heard() -> None:
    game = pair_game("coordination", max_steps=4, names=("a", "b", "c"))
    state = game.start(random.Random(1))
    choose = script("a", "b", "a", "b", "a", "c")
    assert set(levels(observations(game, state)[0].options).values()) == {1.0}
    for _ in range(3):
        state = step(game, state, choose)
    assert levels(observations(game, state)[0].options) == {"a": 0.0, "b": 1.0, "c": 0.5}


def test_partners_change_and_memory_is_bounded() -> None:
    game = pair_game("coordination", 6, 30, memory=3)
    state, met = game.start(random.Random(1)), set()
    while not game.is_terminal(state):
        met.add(state.table.partner[0])
        state = step(game, state, policies("random"))
    assert met == {1, 2, 3, 4, 5}
    assert {len(past) for past in state.table.memory} == {3}


def test_observation_shows_partner_and_past_meetings() -> None:
    game = pair_game("coordination", max_steps=3, names=("a", "b"))
    state = step(game, game.start(random.Random(1)), script("a", "b"))
    assert (
        game.observation_text(state, 0, Language.EN) == "You meet p1. Your last meetings, latest last (you/other): a/b."
    )
    assert game.observation_text(state, 1, Language.ZH) == "你遇到p0。你最近的相遇，最近的在后（你/对方）：b/a。"


def test_invalid_decision_voids_the_meeting() -> None:
    game = pair_game("coordination", max_steps=1, mismatch=-1.0)
    state = play(game, script("dovu", None))
    assert state.tally.payoff == (0.0, 0.0)
    assert state.table.memory == ((), ())


@pytest.mark.parametrize("parameters", [{"names": ("a", "a")}, {"names": ("a", " ")}, {"match": 0.0}])
def test_bad_parameters_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CoordinationParameters.model_validate(parameters)
