"""Sealed bids, private values: who wins, what it pays, and Vickrey's equilibria."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.language import Language
from simulation.games.auction import Auction, Pricing, Sales, shaded_bid, shaded_welfare, truthful_welfare
from simulation.games.base import State
from tests.simulation.games.table import accuracies, game_of, opened, played, with_table

FIRST, SECOND = Pricing.FIRST, Pricing.SECOND


def dealt(game: Auction, *values: int) -> State[Sales]:
    """Return an auction at its start, with these values in its first step."""
    state = opened(game)
    return with_table(state, replace(state.table, values=(values, *state.table.values[1:])))


@pytest.mark.parametrize(("pricing", "payoff"), [(FIRST, 9 - 7), (SECOND, 9 - 5)])
def test_highest_bid_wins_and_pays_by_pricing(pricing: Pricing, payoff: int) -> None:
    game = game_of(Auction, 3, pricing=pricing)
    assert played(game, dealt(game, 4, 9, 6), 3, 7, 5).tally.payoff == (0, payoff, 0)


@pytest.mark.parametrize("pricing", Pricing)
def test_equal_bids_share_the_payoff(pricing: Pricing) -> None:
    game = game_of(Auction, 3, pricing=pricing)
    assert played(game, dealt(game, 8, 10, 6), 6, 6, 2).tally.payoff == (1, 2, 0)


def test_single_valid_bid_pays_nothing_at_second_price() -> None:
    game = game_of(Auction, 2)
    assert played(game, dealt(game, 8, 10), 6, None).tally.payoff == (8, 0)


def test_winner_loses_if_it_bids_above_its_value() -> None:
    game = game_of(Auction, 2)
    state = played(game, dealt(game, 1, 9), 10, 9)
    assert state.tally.payoff == (-8, 0)
    assert accuracies(game, state) == [0, 1]
    assert game.score(state).players[0].efficiency == pytest.approx(1 / 9)


@given(st.integers(0, 10), st.lists(st.integers(0, 10), min_size=1, max_size=5))
def test_bidding_the_value_is_dominant_at_second_price(value: int, others: list[int]) -> None:
    game = game_of(Auction, 1 + len(others))
    state = dealt(game, value, *others)
    payoffs = [played(game, state, bid, *others).tally.payoff[0] for bid in range(11)]
    assert payoffs[value] == max(payoffs)
    assert accuracies(game, played(game, state, value, *others))[0] == 1


def mean_welfare(pricing: Pricing, players: int, highest: int) -> float:
    """Return the mean welfare in the named equilibrium over all deals."""
    game = game_of(Auction, players, pricing=pricing, highest=highest)
    deals = list(product(range(highest + 1), repeat=players))
    bids = [deal if pricing is SECOND else [shaded_bid(value, players) for value in deal] for deal in deals]
    played_out = (played(game, dealt(game, *deal), *bid) for deal, bid in zip(deals, bids, strict=True))
    return sum(sum(state.tally.payoff) for state in played_out) / len(deals)


@pytest.mark.parametrize("pricing", Pricing)
@pytest.mark.parametrize(("players", "highest"), [(2, 5), (3, 4), (4, 2)])
def test_nash_is_the_mean_welfare_over_all_deals(pricing: Pricing, players: int, highest: int) -> None:
    game = game_of(Auction, players, pricing=pricing, highest=highest)
    assert game.nash() == pytest.approx(mean_welfare(pricing, players, highest))


@pytest.mark.parametrize(("players", "highest"), [(2, 15), (2, 29), (3, 10)])
def test_shaded_bid_is_an_exact_equilibrium_at_first_price(players: int, highest: int) -> None:
    assert most_gained(players, highest) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("players", range(2, 11))
def test_no_bid_gains_more_than_0_3_over_the_shaded_bid(players: int) -> None:
    assert max(most_gained(players, highest) for highest in range(5, 30)) <= 0.3


def most_gained(players: int, highest: int) -> float:
    """Return the most that one bidder gains by another bid if all others bid `shaded_bid`; without the game's code."""
    bids = [shaded_bid(value, players) for value in range(highest + 1)]

    def wins(bid: int) -> float:
        lower = sum(other < bid for other in bids) / len(bids)
        equal = sum(other == bid for other in bids) / len(bids)
        if not equal:
            return lower ** (players - 1)
        return ((lower + equal) ** players - lower**players) / (players * equal)

    chances = [wins(bid) for bid in range(highest + 1)]
    return max(
        max((value - bid) * chance for bid, chance in enumerate(chances)) - (value - own) * chances[own]
        for value, own in enumerate(bids)
    )


@pytest.mark.parametrize("players", [2, 3, 5, 8])
def test_both_pricings_give_nearly_the_continuous_welfare(players: int) -> None:
    # uniform values on 0..V: E[first - second order statistic] = V / (n + 1)
    assert truthful_welfare(players, 29) == pytest.approx(30 / (players + 1), rel=0.05)
    assert abs(truthful_welfare(players, 29) - shaded_welfare(players, 29)) < 1


@given(st.integers(0, 2**32), st.integers(0, 3))
def test_observation_does_not_depend_on_hidden_values(seed: int, player: int) -> None:
    game = game_of(Auction, 4, steps=3)
    state = played(game, opened(game, seed), 1, 2, 7, 4)
    values = state.table.values
    hidden = tuple(value if i == player else (value + 5) % 11 for i, value in enumerate(values[1]))
    changed = with_table(state, replace(state.table, values=(values[0], hidden, (0, 0, 0, 0))))
    for language in Language:
        assert game.observation_text(changed, player, language) == game.observation_text(state, player, language)


def test_observation_hides_losing_bids_at_first_price() -> None:
    game = game_of(Auction, 3, steps=2, pricing="first")
    state = dealt(game, 4, 9, 6)
    one, other = played(game, state, 3, 7, 5), played(game, state, 0, 7, 1)
    assert game.observation_text(one, 1, Language.EN) == game.observation_text(other, 1, Language.EN)
    assert game.observation_text(one, 0, Language.EN) == game.observation_text(other, 0, Language.EN)


def test_observation_shows_own_value_and_last_price() -> None:
    game = game_of(Auction, 2, steps=2)
    state = dealt(game, 8, 5)
    assert game.observation_text(state, 0, Language.EN) == "The object is worth 8 to you."
    state = played(game, state, 8, 5)
    assert game.observation_text(state, 0, Language.EN).endswith("Last step the price was 5; you earned 3.0.")
    assert game.observation_text(played(game, dealt(game, 1, 1), None, None), 0, Language.EN).endswith(
        "nobody gave a valid bid."
    )
