"""The ultimatum game: a pie of 10, offers 0 to 6."""

from __future__ import annotations

import random

import pytest

from agents.language import Language
from simulation.games.base import GameError
from tests.simulation.games.pair_table import levels, mover, play, policies, script, sit, step, views


def test_an_accepted_offer_is_paid_and_a_rejected_one_is_not() -> None:
    game = sit("ultimatum")
    proposer = mover(game, game.start(random.Random(1)))
    accepted = play(game, script("offer 3", "accept")).tally.payoff
    assert (accepted[proposer], accepted[1 - proposer]) == (7.0, 3.0)
    assert play(game, script("offer 3", "reject")).tally.payoff == (0.0, 0.0)


def test_every_accepted_offer_splits_the_whole_pie_so_nash_is_the_optimum() -> None:
    game = sit("ultimatum", 4, 6)
    assert game.nash() == game.optimum() == 2 * 3 * 10
    for offer in range(7):
        state = play(game, lambda _p, view, offer=offer: "accept" if len(view.options) == 2 else f"offer {offer}")
        assert game.score(state).welfare == game.optimum()


def test_an_offer_is_as_cooperative_as_it_is_even() -> None:
    game = sit("ultimatum")
    state = game.start(random.Random(1))
    offers = levels(views(game, state)[mover(game, state)].options)
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
def test_tit_for_tat_rejects_what_is_nearer_to_nothing_than_to_an_even_split(offer: int, answer: str) -> None:
    """As people do: offers below a fifth to a quarter of the pie are mostly rejected."""
    game = sit("ultimatum")
    state = step(game, game.start(random.Random(1)), script(f"offer {offer}"))
    state = step(game, state, policies("tit_for_tat"))
    assert state.table.deals[0].answer == answer


@pytest.mark.parametrize(
    ("offer", "answer", "proposer", "responder"),
    [("offer 0", "accept", 1.0, 1.0), ("offer 3", "reject", 0.5, 0.0), ("offer 6", "accept", 0.0, 1.0)],
)
def test_accuracy_is_subgame_perfect_rationality(offer: str, answer: str, proposer: float, responder: float) -> None:
    game = sit("ultimatum")
    first = mover(game, game.start(random.Random(1)))
    players = game.score(play(game, script(offer, answer))).players
    assert (players[first].accuracy, players[1 - first].accuracy) == (proposer, responder)


def test_the_responder_reads_the_offer_and_the_proposer_does_not_choose() -> None:
    game = sit("ultimatum")
    state = step(game, game.start(random.Random(1)), script("offer 2"))
    responder = mover(game, state)
    assert game.observation_text(state, responder, Language.EN) == f"p{1 - responder} offers you 2 of 10."
    assert game.observation_text(state, responder, Language.ZH) == f"p{1 - responder}给你10分中的2分。"
    assert [option.label for option in game.observe(state, responder, Language.ZH).options] == ["接受", "拒绝"]


def test_both_hear_how_the_last_round_ended() -> None:
    game = sit("ultimatum", max_steps=4)
    state = game.start(random.Random(1))
    first, choose = mover(game, state), script("offer 2", "reject")
    state = step(game, step(game, state, choose), choose)
    assert "you offered 2; " in game.observation_text(state, first, Language.EN)
    assert game.observation_text(state, 1 - first, Language.EN).endswith("offered you 2; you chose reject.")


def test_nobody_offers_more_than_there_is() -> None:
    with pytest.raises(GameError, match="above the pie"):
        sit("ultimatum", pie=5.0)
