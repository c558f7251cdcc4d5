"""The beauty contest: nearest to two thirds of the mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language import Language
from simulation.games.beauty_contest import BeautyContest, level_k
from tests.simulation.games.table import accuracies, game_of, opened, played


def test_guess_nearest_to_two_thirds_of_the_mean_wins() -> None:
    game = game_of(BeautyContest, 3)
    state = played(game, opened(game), 30, 60, 90)  # mean 60, target 40
    assert state.tally.payoff == (20, 0, 0)
    assert accuracies(game, state) == pytest.approx([1 - 10 / 60, 1 - 20 / 60, 1 - 50 / 60])


def test_ties_on_both_sides_of_the_target_share_the_prize() -> None:
    game = game_of(BeautyContest, 3, guesses=(1, 3, 8), factor=0.5)
    assert played(game, opened(game), 1, 3, 8).tally.payoff == (10, 10, 0)  # mean 4, target 2
    assert played(game, opened(game), 3, 3, 8).tally.payoff == (10, 10, 0)


@pytest.mark.parametrize(("depth", "guess"), [(0, 50), (1, 35), (2, 20), (3, 15), (30, 0)])
def test_level_k_guesses_as_in_nagel(depth: int, guess: int) -> None:
    # 50, 33.3, 22.2, 14.8 on a grid of fives
    assert level_k(depth, tuple(range(0, 101, 5)), 2 / 3) == guess


@given(st.integers(1, 20), st.integers(2, 8))
def test_no_other_guess_gains_at_the_equilibrium_of_0(step: int, players: int) -> None:
    game = game_of(BeautyContest, players)
    stay = played(game, opened(game), *[0] * players)
    leave = played(game, opened(game), 5 * step, *[0] * (players - 1))
    assert leave.tally.payoff[0] == 0 < stay.tally.payoff[0]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_level_k_beats_a_group_of_level_k_minus_1(depth: int) -> None:
    grid = tuple(range(0, 101, 5))
    game = game_of(BeautyContest, 6)
    below = [level_k(depth - 1, grid, 2 / 3)] * 5
    assert played(game, opened(game), level_k(depth, grid, 2 / 3), *below).tally.payoff[0] == 20


@given(st.lists(st.sampled_from(range(0, 101, 5)), min_size=2, max_size=9))
def test_prize_is_always_paid(guesses: list[int]) -> None:
    game = game_of(BeautyContest, len(guesses))
    assert sum(played(game, opened(game), *guesses).tally.payoff) == pytest.approx(game.optimum())


def test_observation_shows_mean_target_and_winners() -> None:
    game = game_of(BeautyContest, 3, steps=2)
    state = played(game, opened(game), 30, 60, 90)
    expected = "Last step the mean was 60.0 and the target 40.0; 30 won. You earned 0.0."
    assert game.observation_text(state, 1, Language.EN) == expected
    silent = played(game, opened(game), None, None, None)
    assert game.observation_text(silent, 0, Language.EN) == "Last step nobody gave a valid guess."
