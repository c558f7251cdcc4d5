"""Chicken against Aumann's figures."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from simulation.games.chicken import Chicken, ChickenParameters
from tests.simulation.games.pair_table import pair_game, play, policies, script


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ("swerve", "swerve", (6.0, 6.0)),
        ("swerve", "dare", (2.0, 7.0)),
        ("dare", "swerve", (7.0, 2.0)),
        ("dare", "dare", (0.0, 0.0)),
        (None, "dare", (0.0, 0.0)),
    ],
)
def test_payoff_table(own: str | None, other: str, expected: tuple[float, float]) -> None:
    assert play(pair_game("chicken", max_steps=1), script(own, other)).tally.payoff == expected


def test_swerve_and_dare_earn_the_same_at_the_mixed_equilibrium() -> None:
    game = pair_game("chicken")
    assert isinstance(game, Chicken)
    p, table = game.mixed(), game.payoff_table()
    assert p == pytest.approx(2 / 3)
    swerve, dare = (p * table[own, "swerve"] + (1 - p) * table[own, "dare"] for own in ("swerve", "dare"))
    assert swerve == pytest.approx(dare) == pytest.approx(14 / 3)


def test_nash_is_mixed_and_optimum_is_two_who_swerve() -> None:
    game = pair_game("chicken", 4, 3)
    assert game.nash() == pytest.approx(4 * 3 * 14 / 3)
    assert game.optimum() == game.score(play(game, policies("always_cooperate"))).welfare == 4 * 3 * 6


def test_optimum_is_alternation_if_temptation_is_high() -> None:
    game = pair_game("chicken", max_steps=2, temptation=20.0)
    state = play(game, script("dare", "swerve", "swerve", "dare"))
    assert sum(state.tally.payoff) == game.optimum() == 2 * 22


def test_hawk_dove_with_value_2_and_cost_4_has_half_hawks() -> None:
    """Maynard Smith & Price: payoffs V/2, V, 0, (V - C)/2; the stable population has V/C hawks."""
    game = pair_game("chicken", temptation=2.0, reward=1.0, sucker=0.0, crash=-1.0)
    assert isinstance(game, Chicken)
    assert game.mixed() == pytest.approx(1 - 2 / 4)
    assert game.nash_step() == pytest.approx(0.5)
    assert game.min_payoff() == -2.0


def test_common_signal_earns_more_than_private_mixtures() -> None:
    """Aumann's correlated equilibrium: three cells with a probability of 1/3 each pay 5 to each player."""
    cells = [("swerve", "swerve"), ("swerve", "dare"), ("dare", "swerve")]
    game = pair_game("chicken", max_steps=3)
    state = play(game, script(*(action for cell in cells for action in cell)))
    assert state.tally.payoff == (15.0, 15.0)
    assert sum(state.tally.payoff) > game.nash()


def test_best_response_is_the_opposite_action() -> None:
    game = pair_game("chicken", max_steps=2)
    score = game.score(play(game, script("swerve", "dare", "dare", "dare")))
    assert [player.accuracy for player in score.players] == [0.5, 0.5]


def test_dilemma_payoffs_are_refused() -> None:
    with pytest.raises(ValidationError, match="chicken needs"):
        ChickenParameters(temptation=5, reward=3, sucker=0, crash=1)
