"""The trust game with the figures of Berg, Dickhaut & McCabe: 10 each, tripled."""

from __future__ import annotations

import random

import pytest

from agents.language import Language
from simulation.games.base import GameError
from tests.simulation.games.pair_table import levels, mover, observations, pair_game, play, policies, script, step


def earned(*actions: str) -> tuple[float, float]:
    """Return what investor and trustee earn in one round."""
    game = pair_game("trust")
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
def test_sent_points_are_tripled_and_returned_ones_are_not(
    actions: tuple[str, ...], expected: tuple[float, float]
) -> None:
    assert earned(*actions) == expected


def test_welfare_is_20_plus_twice_what_was_sent() -> None:
    for sent in (0, 2, 4, 6, 8, 10):
        actions = (f"send {sent}", f"return {sent}") if sent else ("send 0",)
        assert sum(earned(*actions)) == 20 + 2 * sent


def test_cooperators_reach_the_optimum_and_defectors_nash() -> None:
    game = pair_game("trust", 4, 6)
    trusting = game.score(play(game, policies("always_cooperate")))
    selfish = game.score(play(game, policies("always_defect")))
    assert (trusting.welfare, selfish.welfare) == (game.optimum(), game.nash()) == (2 * 3 * 40, 2 * 3 * 20)
    assert trusting.gini == 0.0  # full cooperation leaves the two equal in every round
    assert {player.accuracy for player in selfish.players} == {1.0}
    assert {player.efficiency for player in selfish.players} == {0.5}


def test_nash_sends_the_most_if_the_least_return_covers_it() -> None:
    game = pair_game("trust", returns=(1.0, 2.0))
    assert game.nash() == game.optimum() == 40


def test_trustee_waits_if_nothing_was_sent() -> None:
    game = pair_game("trust", max_steps=4)
    state = step(game, game.start(random.Random(1)), script("send 0"))
    assert [len(observation.options) for observation in observations(game, state)] == [1, 1]
    texts = {game.observation_text(state, player, Language.EN) for player in (0, 1)}
    assert any(text.endswith("there is nothing to return.") for text in texts)


def test_returns_grow_with_what_was_sent() -> None:
    game = pair_game("trust")
    state = step(game, game.start(random.Random(1)), script("send 6"))
    returns = levels(observations(game, state)[mover(game, state)].options)
    assert returns == {"return 0": 0.0, "return 3": 0.25, "return 6": 0.5, "return 9": 0.75, "return 12": 1.0}


def test_accuracy_of_both_roles() -> None:
    game = pair_game("trust")
    investor = mover(game, game.start(random.Random(1)))
    players = game.score(play(game, script("send 4", "return 4"))).players
    assert players[investor].accuracy == pytest.approx(0.6)  # keeps 6 of the 10 it could keep
    assert players[1 - investor].accuracy == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"endowment": 5.0}, "above the endowment"), ({"multiplier": 1.5}, "above the multiplier")],
)
def test_sends_and_returns_above_the_points_are_refused(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(GameError, match=message):
        pair_game("trust", **parameters)
