"""The trust game with the figures of Berg, Dickhaut & McCabe: 10 each, tripled."""

from __future__ import annotations

import random

import pytest

from agents.language import Language
from simulation.games.base import GameError
from tests.simulation.games.pair_table import levels, mover, play, policies, script, sit, step, views


def earned(*actions: str) -> tuple[float, float]:
    """What investor and trustee earn in one round."""
    game = sit("trust")
    investor = mover(game, game.start(random.Random(1)))
    payoff = play(game, script(*actions)).tally.payoff
    return payoff[investor], payoff[1 - investor]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (("send 0",), (10.0, 10.0)),
        (("send 10", "return 0"), (0.0, 40.0)),
        (("send 10", "return 10"), (10.0, 30.0)),
        (("send 10", "return 20"), (20.0, 20.0)),
        (("send 2", "return 3"), (11.0, 13.0)),
    ],
)
def test_what_is_sent_is_tripled_and_what_is_returned_is_not(
    actions: tuple[str, ...], expected: tuple[float, float]
) -> None:
    assert earned(*actions) == expected


def test_welfare_is_twenty_and_twice_what_was_sent() -> None:
    for sent in (0, 2, 4, 6, 8, 10):
        actions = (f"send {sent}", f"return {sent}") if sent else ("send 0",)
        assert sum(earned(*actions)) == 20 + 2 * sent


def test_trust_reaches_the_optimum_and_subgame_perfection_the_nash() -> None:
    game = sit("trust", 4, 6)
    trusting = game.score(play(game, policies("always_cooperate")))
    selfish = game.score(play(game, policies("always_defect")))
    assert (trusting.welfare, selfish.welfare) == (game.optimum(), game.nash()) == (2 * 3 * 40, 2 * 3 * 20)
    assert trusting.gini == 0.0  # full cooperation leaves the two equal in every round
    assert {player.accuracy for player in selfish.players} == {1.0}
    assert {player.efficiency for player in selfish.players} == {0.5}


def test_where_the_least_return_covers_what_was_sent_all_is_sent() -> None:
    game = sit("trust", returns=(1.0, 2.0))
    assert game.nash() == game.optimum() == 40


def test_who_received_nothing_has_nothing_to_decide() -> None:
    game = sit("trust", max_steps=4)
    state = step(game, game.start(random.Random(1)), script("send 0"))
    assert [len(view.options) for view in views(game, state)] == [1, 1]
    texts = {game.observation_text(state, player, Language.EN) for player in (0, 1)}
    assert any(text.endswith("there is nothing to return.") for text in texts)


def test_the_menu_of_returns_grows_with_what_was_sent() -> None:
    game = sit("trust")
    state = step(game, game.start(random.Random(1)), script("send 6"))
    returns = levels(views(game, state)[mover(game, state)].options)
    assert returns == {"return 0": 0.0, "return 3": 0.25, "return 6": 0.5, "return 9": 0.75, "return 12": 1.0}


def test_accuracy_of_each_side() -> None:
    game = sit("trust")
    investor = mover(game, game.start(random.Random(1)))
    players = game.score(play(game, script("send 4", "return 4"))).players
    assert players[investor].accuracy == pytest.approx(0.6)  # keeps 6 of the 10 it could keep
    assert players[1 - investor].accuracy == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"endowment": 5.0}, "above the endowment"), ({"multiplier": 1.5}, "above the multiplier")],
)
def test_nobody_gives_what_it_does_not_have(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(GameError, match=message):
        sit("trust", **parameters)
