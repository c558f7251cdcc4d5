"""Alternating offers against the closed forms of Ståhl and Rubinstein."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agents.language import Language
from agents.players.policies import Observation
from simulation.games.bargaining import Bargaining
from simulation.games.base import State
from tests.simulation.games.pair_table import levels, mover, observations, pair_game, play, policies, script, step

EVERY_PERCENT = tuple(range(101))


def bargaining(max_steps: int, **parameters: object) -> Bargaining:
    game = pair_game("bargaining", max_steps=max_steps, **parameters)
    assert isinstance(game, Bargaining)
    return game


def stahl(offers: int, discount: float) -> float:
    """Return the first player's share in the subgame-perfect equilibrium with continuous offers."""
    return float((1 - (-discount) ** offers) / (1 + discount))


@pytest.mark.parametrize("discount", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("offers", [1, 2, 3, 6])
def test_backward_induction_gives_stahls_share(offers: int, discount: float) -> None:
    first, second = bargaining(offers + 1, discount=discount, offers=EVERY_PERCENT).equilibrium[0]
    assert first == pytest.approx(100 * stahl(offers, discount), abs=offers)  # one percent per rounded offer
    assert first + second == pytest.approx(100)


def test_stahls_share_is_exact_if_it_is_on_the_menu() -> None:
    assert bargaining(2, discount=0.5).equilibrium[0] == (100.0, 0.0)
    assert bargaining(3, discount=0.5).equilibrium[0] == (50.0, 50.0)
    assert bargaining(4, discount=0.5, offers=EVERY_PERCENT).equilibrium[0] == (75.0, 25.0)
    assert bargaining(4, discount=0.8).equilibrium[1] == pytest.approx((16.0, 64.0))


def test_long_game_tends_to_rubinsteins_share() -> None:
    first, _ = bargaining(41, discount=0.5, offers=EVERY_PERCENT).equilibrium[0]
    assert first == pytest.approx(100 / 1.5, abs=1)


def test_equilibrium_players_agree_at_once_with_accuracy_1() -> None:
    game = bargaining(4, discount=0.5, offers=EVERY_PERCENT)
    state = play(game, script("offer 25%", "accept"))
    score = game.score(state)
    assert state.tally.step == 2
    assert score.welfare == score.nash == score.optimum == 100
    assert sorted(player.payoff for player in score.players) == [25.0, 75.0]
    assert [player.accuracy for player in score.players] == [1.0, 1.0]


def best_decision(game: Bargaining, state: State[Any]) -> str:
    """Return the equilibrium decision of the player who decides; it accepts if it is indifferent."""
    player = mover(game, state)
    offer, actions = state.table.deals[player].offer, levels(observations(game, state)[player].options)
    values = {action: game._value(action, state.tally.step, offer) for action in actions}
    best = max(values.values())
    return next(action for action, value in values.items() if value >= best - 1e-9)


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("discount", [0.3, 0.7, 1.0])
def test_best_first_offer_pays_the_equilibrium_value(steps: int, discount: float) -> None:
    game = bargaining(steps, discount=discount)
    start = game.start(random.Random(1))
    first, paid = mover(game, start), []
    for share in game.parameters.offers:
        state = step(game, start, script(f"offer {share}%"))
        while not game.is_terminal(state):
            state = step(game, state, script(best_decision(game, state)))
        paid.append(state.tally.payoff[first])
    assert max(paid) == pytest.approx(game.equilibrium[0][0])


def test_agreement_is_paid_from_the_pie_of_its_offer() -> None:
    game = bargaining(4, discount=0.8)
    first = mover(game, game.start(random.Random(1)))
    state = play(game, script("offer 0%", "offer 30%", "accept"))
    assert state.tally.payoff[first] == pytest.approx(0.3 * 80)
    assert state.tally.payoff[1 - first] == pytest.approx(0.7 * 80)
    assert game.score(state).players[0].efficiency == pytest.approx(0.8)


def test_last_answer_is_accept_or_reject_and_reject_pays_0() -> None:
    game = bargaining(2)
    state = step(game, game.start(random.Random(1)), script("offer 40%"))
    assert levels(observations(game, state)[mover(game, state)].options) == {"accept": 1.0, "reject": 0.0}
    assert step(game, state, script("reject")).tally.payoff == (0.0, 0.0)


def test_invalid_decision_loses_the_turn_and_the_open_offer() -> None:
    game = bargaining(4)
    state = game.start(random.Random(1))
    first = mover(game, state)
    choose = script("offer 40%", None)
    state = step(game, step(game, state, choose), choose)
    assert mover(game, state) == first
    assert "accept" not in levels(observations(game, state)[first].options)


def test_all_wait_without_an_offer_in_the_last_step() -> None:
    game = bargaining(2)
    state = step(game, game.start(random.Random(1)), script(None))
    assert [len(observation.options) for observation in observations(game, state)] == [1, 1]
    assert game.observation_text(state, 0, Language.EN) == "There is no time left to agree."


def test_game_ends_when_all_pairs_have_agreed() -> None:
    game = pair_game("bargaining", 4, 6)
    state = game.start(random.Random(1))
    slow = {0, state.table.partner[0]}

    def choose(player: int, observation: Observation) -> str:
        if len(observation.options) > 11 and (player not in slow or state.tally.step >= 3):
            return "accept"
        return "offer 50%"

    while not game.is_terminal(state):
        state = step(game, state, choose)
    assert state.tally.step == 4
    assert sum(state.tally.payoff) == pytest.approx(100 + 100 * 0.8**2)


def test_cooperators_split_the_pie_in_half() -> None:
    game = pair_game("bargaining", max_steps=5)
    assert play(game, policies("always_cooperate")).tally.payoff == (50.0, 50.0)
