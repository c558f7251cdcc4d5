"""The signalling game: one knows, the other chooses, and without a message payoffs are those of chance."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.language import Language
from simulation.games.signalling import Signalling, SignallingParameters
from tests.simulation.games.table import accuracies, game_of, opened, played

SEEDS = st.integers(0, 2**32)


def roles(game: Signalling, seed: int) -> tuple[int, int]:
    """Who knows, and who chooses, of two players."""
    state = opened(game, seed)
    (knows,) = (player for player in (0, 1) if game.knows(state, player))
    return knows, 1 - knows


@given(SEEDS, st.sampled_from(("north", "south")))
def test_both_earn_if_the_chooser_goes_to_the_right_place(seed: int, gone: str) -> None:
    game = game_of(Signalling, 2)
    state = opened(game, seed)
    place = state.table.places[0][0]
    after = played(game, state, place, gone)
    right = float(place == gone)
    assert after.tally.payoff == (right, right)
    assert accuracies(game, after) == [right, right]


@given(SEEDS)
def test_only_the_first_of_the_roster_knows_and_speaks(seed: int) -> None:
    game = game_of(Signalling, 2)
    state = opened(game, seed)
    place = state.table.places[0][0]
    assert roles(game, seed) == (0, 1)
    assert (game.may_speak(state, 0), game.may_speak(state, 1)) == (True, False)
    assert [option.action for option in game.observe(state, 0, Language.EN).options] == [place]
    assert [option.action for option in game.observe(state, 1, Language.EN).options] == ["north", "south"]
    assert f"in the {place}" in game.observation_text(state, 0, Language.EN)


@given(SEEDS)
def test_what_the_chooser_sees_does_not_tell_the_place(seed: int) -> None:
    game = game_of(Signalling, 2)
    texts = {game.observation_text(opened(game, each), 1, Language.EN) for each in range(seed, seed + 20)}
    assert len(texts) == 1


def test_places_are_drawn_evenly_and_anew_in_every_step() -> None:
    game = game_of(Signalling, 2, steps=4)
    drawn = [opened(game, seed).table.places[0] for seed in range(400)]
    assert max(Counter(drawn).values()) < 60  # 16 sequences, 25 each
    counts = Counter(place for places in drawn for place in places)
    assert abs(counts["north"] - 800) < 100


def test_an_invalid_choice_earns_nothing_and_is_told() -> None:
    game = game_of(Signalling, 2, steps=2)
    state = opened(game)
    place = state.table.places[0][0]
    after = played(game, state, place, None)
    assert after.tally.payoff == (0, 0)
    assert game.observation_text(after, 1, Language.EN).endswith(f"it was in the {place}, and you both went nowhere.")


@pytest.mark.parametrize("places", [("north",), ("north", "North"), ("north", ""), (" north", "south")])
def test_places_must_be_distinct_words(places: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="places"):
        SignallingParameters(places=places)


def test_more_places_pay_less_without_a_message() -> None:
    game = game_of(Signalling, 4, steps=3, places=("red box", "blue box", "green box"))
    assert game.optimum() == 12
    assert game.nash() == 4
