"""Colonel Blotto: the strongest army wins the field."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.language import Language
from simulation.games.base import GameError
from simulation.games.blotto import Blotto, BlottoParameters, allocations
from tests.simulation.games.table import accuracies, game_of, opened, played

PLANS = ["-".join(map(str, units)) for units in allocations(6, 3)]


@pytest.mark.parametrize(
    ("one", "other", "won"),
    [
        ("2-2-2", "1-1-4", 2),
        ("1-2-3", "1-1-4", 1.5),
        ("1-2-3", "2-2-2", 1.5),
        ("0-0-6", "2-2-2", 1),
        ("3-3-0", "2-2-2", 2),
        ("2-2-2", "2-2-2", 1.5),
    ],
)
def test_two_players_with_six_units_on_three_fields(one: str, other: str, won: float) -> None:
    game = game_of(Blotto, 2)
    assert played(game, opened(game), one, other).tally.payoff == pytest.approx((won, 3 - won))


@pytest.mark.parametrize(("force", "fields"), [(6, 3), (5, 2), (2, 7), (1, 10)])
def test_every_allocation_is_one_action(force: int, fields: int) -> None:
    game = game_of(Blotto, 2, force=force, fields=fields)
    actions = [option.action for option in game.observe(opened(game), 0, Language.EN).options]
    assert len(set(actions)) == len(actions) == comb(force + fields - 1, fields - 1) <= 30
    assert all(sum(map(int, action.split("-"))) == force for action in actions)


def test_too_many_allocations_are_refused() -> None:
    with pytest.raises(ValidationError, match="10 units on 3 fields can be divided in 66 ways; at most 30 are allowed"):
        BlottoParameters(force=10)


def test_every_pure_plan_loses_to_another() -> None:
    game = game_of(Blotto, 2)
    best_replies = {max(played(game, opened(game), other, plan).tally.payoff[0] for other in PLANS) for plan in PLANS}
    assert best_replies == {2.0}


@given(st.lists(st.sampled_from(PLANS), min_size=2, max_size=7), st.booleans())
def test_every_field_is_paid_out(plans: list[str], in_teams: bool) -> None:
    game = game_of(Blotto, len(plans), teams=("red", "blue") if in_teams else ())
    state = played(game, opened(game), *plans)
    assert sum(state.tally.payoff) == pytest.approx(game.optimum()) == game.nash()


@given(st.lists(st.sampled_from(PLANS), min_size=4, max_size=4))
def test_swapped_plans_swap_the_payoffs(plans: list[str]) -> None:
    game = game_of(Blotto, 4, teams=("red", "blue"))
    there = played(game, opened(game), *plans).tally.payoff
    back = played(game, opened(game), plans[1], plans[0], plans[3], plans[2]).tally.payoff
    assert there == pytest.approx((back[1], back[0], back[3], back[2]))


def test_army_has_the_mean_strength_of_its_players() -> None:
    game = game_of(Blotto, 3, teams=("red", "blue"))  # red m0 and m2, blue m1
    state = played(game, opened(game), "6-0-0", "2-2-2", "0-6-0")  # red 3-3-0 on average
    assert state.tally.payoff == (1, 1, 1)
    assert (
        game.observation_text(state, 1, Language.EN)
        == "Last step's winners, field by field: red; red; blue. You earned 1.00."
    )


def test_accuracy_is_1_for_a_best_response() -> None:
    game = game_of(Blotto, 2)
    assert accuracies(game, played(game, opened(game), "3-3-0", "2-2-2"))[0] == 1
    assert accuracies(game, played(game, opened(game), "0-0-6", "2-2-2"))[0] == 0  # wins 1 field; no plan wins fewer


def test_invalid_decision_places_no_units() -> None:
    game = game_of(Blotto, 3, teams=("red", "blue"), steps=2)
    state = played(game, opened(game), None, "2-2-2", "3-3-0")  # red 1.5-1.5-0
    assert state.tally.payoff == (0, 3, 0)
    alone = played(game, opened(game), None, "2-2-2", None)
    assert alone.tally.payoff == (0, 3, 0)
    assert "nobody; nobody; nobody" in game.observation_text(
        played(game, opened(game), None, None, None), 0, Language.EN
    )


def test_observation_shows_winners_and_hides_units() -> None:
    game = game_of(Blotto, 2, steps=2)
    one, other = played(game, opened(game), "3-3-0", "2-2-2"), played(game, opened(game), "3-3-0", "1-1-4")
    assert game.observation_text(one, 0, Language.EN) == game.observation_text(other, 0, Language.EN)


def test_blotto_needs_two_armies() -> None:
    with pytest.raises(GameError, match="at least two armies"):
        game_of(Blotto, 3, teams=("red",))
