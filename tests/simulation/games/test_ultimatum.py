"""The ultimatum game: a pie of 10, offers 0 to 6."""

from __future__ import annotations

import random

import pytest

from agents.language import Language
from simulation.games.base import GameError
from tests.simulation.games.pair_table import levels, mover, observations, pair_game, play, policies, script, step


def test_accepted_offer_is_paid_and_rejected_one_is_not() -> None:
    game = pair_game("ultimatum")
    proposer = mover(game, game.start(random.Random(1)))
    accepted = play(game, script("offer 3", "accept")).tally.payoff
    assert (accepted[proposer], accepted[1 - proposer]) == (7.0, 3.0)
    assert play(game, script("offer 3", "reject")).tally.payoff == (0.0, 0.0)


def test_nash_is_the_optimum() -> None:
    game = pair_game("ultimatum", 4, 6)
    assert game.nash() == game.optimum() == 2 * 3 * 10
    for offer in range(7):
        state = play(
            game, lambda _p, observation, offer=offer: "accept" if len(observation.options) == 2 else f"offer {offer}"
        )
        assert game.score(state).welfare == game.optimum()


def test_cooperation_level_of_an_offer_is_its_evenness() -> None:
    game = pair_game("ultimatum")
    state = game.start(random.Random(1))
    offers = levels(observations(game, state)[mover(game, state)].options)
    assert offers == {
        "offer 0": 0.0,
        "offer 1": 0.2,
        "offer 2": 0.4,
        "offer 3": 0.6,
        "offer 4": 0.8,
        "offer 5": 1.0,
        "offer 6": 1.0,
    }


@pytest.mark.parametrize(("offer", "answer"), [(2, "reject"), (3, "accept"), (5, "accept")])
def test_tit_for_tat_rejects_offers_below_a_quarter(offer: int, answer: str) -> None:
    """People do the same: they mostly reject offers below a fifth to a quarter of the pie."""
    game = pair_game("ultimatum")
    state = step(game, game.start(random.Random(1)), script(f"offer {offer}"))
    state = step(game, state, policies("tit_for_tat"))
    assert state.table.deals[0].answer == answer


@pytest.mark.parametrize(
    ("offer", "answer", "proposer", "responder"),
    [("offer 0", "accept", 1.0, 1.0), ("offer 3", "reject", 0.5, 0.0), ("offer 6", "accept", 0.0, 1.0)],
)
def test_accuracy_is_subgame_perfect_rationality(offer: str, answer: str, proposer: float, responder: float) -> None:
    game = pair_game("ultimatum")
    first = mover(game, game.start(random.Random(1)))
    players = game.score(play(game, script(offer, answer))).players
    assert (players[first].accuracy, players[1 - first].accuracy) == (proposer, responder)


def test_responder_sees_the_offer_and_proposer_waits() -> None:
    game = pair_game("ultimatum")
    state = step(game, game.start(random.Random(1)), script("offer 2"))
    responder = mover(game, state)
    assert game.observation_text(state, responder, Language.EN) == f"p{1 - responder} offers you 2 of 10."
    assert game.observation_text(state, responder, Language.ZH) == f"p{1 - responder}给你10分中的2分。"
    assert [option.label for option in game.observe(state, responder, Language.ZH).options] == ["接受", "拒绝"]


def test_observation_shows_the_last_round_to_both() -> None:
    game = pair_game("ultimatum", max_steps=4)
    state = game.start(random.Random(1))
    first, choose = mover(game, state), script("offer 2", "reject")
    state = step(game, step(game, state, choose), choose)
    assert "you offered 2; " in game.observation_text(state, first, Language.EN)
    assert game.observation_text(state, 1 - first, Language.EN).endswith("offered you 2; you chose reject.")


def test_offers_above_the_pie_are_refused() -> None:
    with pytest.raises(GameError, match="above the pie"):
        pair_game("ultimatum", pie=5.0)
