"""Public goods with punishment: its costs, what stays hidden, and its equilibrium."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language import Language
from agents.players.policies import POLICIES
from simulation.games.base import GameError
from simulation.games.public_goods_punishment import SPARE, PublicGoodsPunishment
from tests.simulation.games.table import accuracies, game_of, opened, played

GIFTS = st.sampled_from((0, 5, 10, 15, 20))


def test_giving_is_the_linear_public_goods_game() -> None:
    game = game_of(PublicGoodsPunishment, 5)
    assert played(game, opened(game), *[20] * 5).tally.payoff == pytest.approx([32] * 5)
    assert played(game, opened(game), 0, *[20] * 4).tally.payoff[0] == pytest.approx(45.6)


def test_punishing_costs_the_punisher_and_fines_its_target() -> None:
    game = game_of(PublicGoodsPunishment, 3, steps=2)
    state = played(game, opened(game), 0, 20, 20)
    state = played(game, state, SPARE, "punish m0", "punish m0")
    assert state.tally.last_payoff == (-12, -2, -2)


def test_sparing_is_best_and_punishers_make_free_riding_a_loss() -> None:
    game = game_of(PublicGoodsPunishment, 5, steps=2, cost=1, fine=3)
    rides = played(game, played(game, opened(game), 0, *[20] * 4), SPARE, *["punish m0"] * 4)
    gives = played(game, played(game, opened(game), *[20] * 5), *[SPARE] * 5)
    assert rides.tally.payoff[0] == pytest.approx(45.6 - 12)
    assert accuracies(game, rides)[1:] == pytest.approx([0.0] * 4)  # gave everything (the worst), then punished
    assert accuracies(game, gives) == pytest.approx([0.5] * 5)
    dearer = game_of(PublicGoodsPunishment, 5, steps=2, cost=1, fine=4)
    rides = played(dearer, played(dearer, opened(dearer), 0, *[20] * 4), SPARE, *["punish m0"] * 4)
    assert rides.tally.payoff[0] < gives.tally.payoff[0]


@pytest.mark.parametrize(("steps", "gifts"), [(1, 1), (2, 1), (5, 3), (6, 3)])
def test_optimum_and_nash_count_the_giving_steps(steps: int, gifts: int) -> None:
    game = game_of(PublicGoodsPunishment, 5, steps=steps)
    assert game.optimum() == pytest.approx(160 * gifts)
    assert game.nash() == pytest.approx(100 * gifts)


def test_min_payoff_is_punished_by_all_while_punishing() -> None:
    game = game_of(PublicGoodsPunishment, 4, steps=2)
    state = played(game, played(game, opened(game), None, 0, 0, 0), "punish m1", *["punish m0"] * 3)
    assert state.tally.payoff[0] == game.min_payoff() == -20


@given(st.lists(GIFTS, min_size=3, max_size=3), st.data())
def test_observation_hides_who_punished(gifts: list[int], data: st.DataObject) -> None:
    game = game_of(PublicGoodsPunishment, 3, steps=3)
    state = played(game, opened(game), *gifts)
    by_second = played(game, state, SPARE, "punish m0", SPARE)
    by_third = played(game, state, SPARE, SPARE, "punish m0")
    player = data.draw(st.integers(0, 2))
    for language in Language:
        assert game.observation_text(by_second, player, language) == game.observation_text(by_third, player, language)


def test_observation_hides_how_often_others_were_punished() -> None:
    game = game_of(PublicGoodsPunishment, 3, steps=3)
    state = played(game, opened(game), 0, 20, 20)
    harsh, mild = played(game, state, SPARE, "punish m0", "punish m0"), played(game, state, SPARE, "punish m0", SPARE)
    assert game.observation_text(harsh, 1, Language.EN) == game.observation_text(mild, 1, Language.EN)
    assert game.observation_text(harsh, 0, Language.EN) != game.observation_text(mild, 0, Language.EN)


def test_observation_shows_gifts_only_after_they_are_given() -> None:
    game = game_of(PublicGoodsPunishment, 3, steps=3)
    assert game.observation_text(opened(game), 0, Language.EN) == "Now give."
    state = played(game, opened(game), 0, 20, None)
    expected = "Now punish one model or spare all. This round models gave m0 0, m1 (you) 20, m2 nothing valid."
    assert game.observation_text(state, 1, Language.EN) == expected


def plan(game: PublicGoodsPunishment, policy: str, *gifts: int) -> str:
    """Return what the first player does by `policy` after these gifts."""
    observation = game.observe(played(game, opened(game), *gifts), 0, Language.EN)
    return POLICIES[policy].decide(observation, random.Random(0)).action


def test_cooperator_punishes_free_riders_and_spares_givers() -> None:
    game = game_of(PublicGoodsPunishment, 3, steps=2)
    assert plan(game, "always_cooperate", 20, 20, 0) == "punish m2"
    assert plan(game, "always_cooperate", 20, 20, 20) == SPARE
    assert plan(game, "always_defect", 0, 20, 0) == SPARE


def test_labels_follow_the_language() -> None:
    game = game_of(PublicGoodsPunishment, 2, steps=2)
    labels = [option.label for option in game.observe(played(game, opened(game), 0, 0), 0, Language.ZH).options]
    assert labels == ["不惩罚", "惩罚m1"]


def test_more_than_30_players_are_refused() -> None:
    with pytest.raises(GameError, match="at most 30 models; there are 31"):
        game_of(PublicGoodsPunishment, 31)
