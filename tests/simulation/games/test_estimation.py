"""Estimation: a guess closer to the value pays more, and the mean of many signals is better than one."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language import Language
from agents.players.policies import POLICIES
from simulation.games.estimation import Estimation, SignalDeal, alone, crowd_guess
from tests.simulation.games.table import accuracies, game_of, opened, played, with_table


def test_payoff_and_accuracy_are_closeness_to_the_value() -> None:
    game = game_of(Estimation, 3)
    state = opened(game)
    state = with_table(state, replace(state.table, deals=(SignalDeal(10, (8, 12, 11)),)))
    state = played(game, state, 10, 15, 0)
    assert state.tally.payoff == (1.0, 0.75, 0.5)
    assert accuracies(game, state) == [1.0, 0.75, 0.5]
    assert game.crowd(state) == 1.0  # (8 + 12 + 11) / 3 rounds to 10


@given(st.integers(0, 2**32), st.integers(0, 6))
def test_signals_differ_from_the_value_by_at_most_the_noise(seed: int, noise: int) -> None:
    game = game_of(Estimation, 4, steps=5, noise=noise)
    for deal in opened(game, seed).table.deals:
        assert all(abs(signal - deal.value) <= noise and 0 <= signal <= 20 for signal in deal.signals)


@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(0, 3))
def test_observation_does_not_depend_on_hidden_values(seed: int, other_value: int, player: int) -> None:
    game = game_of(Estimation, 4, steps=3)
    state = played(game, opened(game, seed), 1, 2, 3, 4)
    deals = state.table.deals
    own = deals[1].signals[player]
    hidden = SignalDeal(
        other_value, tuple(own if i == player else (s + 7) % 21 for i, s in enumerate(deals[1].signals))
    )
    changed = with_table(state, replace(state.table, deals=(deals[0], hidden, SignalDeal(0, (0, 0, 0, 0)))))
    for language in Language:
        assert game.observation_text(changed, player, language) == game.observation_text(state, player, language)


def test_observation_shows_own_signal_and_last_value() -> None:
    game = game_of(Estimation, 2, steps=2)
    state = with_table(
        opened(game), replace(opened(game).table, deals=(SignalDeal(10, (8, 12)), SignalDeal(3, (5, 1))))
    )
    assert game.observation_text(state, 0, Language.EN) == "Your private signal is 8."
    expected = "Your private signal is 5. Last step the value was 10; you earned 0.90. The mean guess was 11.0."
    assert game.observation_text(played(game, state, 8, 14), 0, Language.EN) == expected


@pytest.mark.parametrize(("highest", "noise", "expected"), [(20, 0, 1.0), (1, 1, 2 / 3), (2, 1, 7 / 9)])
def test_expected_accuracy_of_one_signal(highest: int, noise: int, expected: float) -> None:
    # highest 1, noise 1: the signal equals the value in 2 of 3 draws, and it is the best guess.
    # highest 2, noise 1: signal 0 comes from 0, 0, 1 (2.5 of 3), 1 from 0, 1, 2 (2 of 3), 2 from 1, 2, 2 (2.5 of 3).
    assert alone(highest, noise) == pytest.approx(expected)


def test_guessing_the_own_signal_gives_nash_and_crowd_is_better() -> None:
    game = game_of(Estimation, 9, steps=2000, highest=20, noise=4)
    state = opened(game, seed=7)
    while not game.is_terminal(state):
        state = played(game, state, *state.table.deals[state.tally.step].signals)
    own = sum(accuracies(game, state)) / 9
    assert own == pytest.approx(game.score(state).nash / game.optimum(), abs=0.02)
    assert game.crowd(state) > own + 0.04


@given(st.integers(0, 2**32))
def test_always_cooperate_guesses_its_signal(seed: int) -> None:
    game = game_of(Estimation, 3)
    state = opened(game, seed)
    for player, signal in enumerate(state.table.deals[0].signals):
        observation = game.observe(state, player, Language.EN)
        assert POLICIES["always_cooperate"].decide(observation, random.Random(0)).action == str(signal)


def test_crowd_guess_rounds_halves_up() -> None:
    assert [crowd_guess(signals) for signals in ((1, 2), (1, 1, 2), (2, 2, 1), (0, 0))] == [2, 1, 2, 0]
