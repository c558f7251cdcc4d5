"""The minority game: the smaller side wins."""

from __future__ import annotations

import pytest

from agents.language import Language
from simulation.games.base import GameError
from simulation.games.minority import Minority
from tests.simulation.games.table import accuracies, game_of, opened, played


def sides(letters: str) -> list[str]:
    return [{"L": "left", "R": "right"}[letter] for letter in letters]


def test_smaller_side_earns_1_each() -> None:
    game = game_of(Minority, 5)
    state = played(game, opened(game), *sides("LLRRR"))
    assert state.tally.payoff == (1, 1, 0, 0, 0)
    assert game.score(state).welfare == game.optimum() == 2


def test_nobody_wins_if_all_are_on_one_side() -> None:
    game = game_of(Minority, 5)
    assert sum(played(game, opened(game), *sides("LLLLL")).tally.payoff) == 0


def test_accuracy_is_0_only_if_the_other_side_would_have_won() -> None:
    game = game_of(Minority, 5)
    assert accuracies(game, played(game, opened(game), *sides("LLRRR"))) == [1, 1, 1, 1, 1]  # an equilibrium
    assert accuracies(game, played(game, opened(game), *sides("LRRRR"))) == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(("players", "winners"), [(3, 0.75), (5, 1.5625), (101, 46.480)])
def test_nash_is_the_expected_minority_of_fair_coins(players: int, winners: float) -> None:
    # 3 coins: 1 winner unless all agree, 3/4. 5 coins: (2 * 5 * 1 + 2 * 10 * 2) / 32
    assert game_of(Minority, players, steps=4).nash() == pytest.approx(4 * winners, rel=1e-4)


@pytest.mark.parametrize("players", [1, 2, 4])
def test_even_number_of_players_is_refused(players: int) -> None:
    with pytest.raises(GameError, match=f"odd number of models, at least 3; there are {players}"):
        game_of(Minority, players)


def test_observation_shows_last_split_and_winning_sides() -> None:
    game = game_of(Minority, 3, steps=4, memory=2)
    state = opened(game)
    for letters in ("LRR", "LLR", "RRL"):
        state = played(game, state, *sides(letters))
    expected = "Last step 1 chose left and 2 chose right; you earned 1. Winning sides, oldest first: right, left."
    assert game.observation_text(state, 2, Language.EN) == expected


def test_tie_after_an_invalid_decision_has_no_winning_side() -> None:
    game = game_of(Minority, 3, steps=2)
    state = played(game, opened(game), "left", "right", None)
    assert state.tally.payoff == (0, 0, 0)
    assert state.table.won == ()
