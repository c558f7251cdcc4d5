"""Chicken against Aumann's figures."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from simulation.games.chicken import Chicken, ChickenParameters
from tests.simulation.games.pair_table import play, policies, script, sit


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
def test_the_payoff_table(own: str | None, other: str, expected: tuple[float, float]) -> None:
    assert play(sit("chicken", max_steps=1), script(own, other)).tally.payoff == expected


def test_at_the_mixed_equilibrium_swerve_and_dare_earn_the_same() -> None:
    game = sit("chicken")
    assert isinstance(game, Chicken)
    p, table = game.mixed(), game.payoff_table()
    assert p == pytest.approx(2 / 3)
    swerve, dare = (p * table[own, "swerve"] + (1 - p) * table[own, "dare"] for own in ("swerve", "dare"))
    assert swerve == pytest.approx(dare) == pytest.approx(14 / 3)


def test_nash_is_the_mixed_equilibrium_and_the_optimum_two_who_swerve() -> None:
    game = sit("chicken", 4, 3)
    assert game.nash() == pytest.approx(4 * 3 * 14 / 3)
    assert game.optimum() == game.score(play(game, policies("always_cooperate"))).welfare == 4 * 3 * 6


def test_where_daring_pays_enough_the_optimum_is_taking_turns() -> None:
    game = sit("chicken", max_steps=2, temptation=20.0)
    state = play(game, script("dare", "swerve", "swerve", "dare"))
    assert sum(state.tally.payoff) == game.optimum() == 2 * 22


def test_hawk_dove_with_a_value_of_2_and_a_cost_of_4_has_half_hawks() -> None:
    """Maynard Smith & Price: V/2, V, 0, (V - C)/2; hawks are V/C of the stable population."""
    game = sit("chicken", temptation=2.0, reward=1.0, sucker=0.0, crash=-1.0)
    assert isinstance(game, Chicken)
    assert game.mixed() == pytest.approx(1 - 2 / 4)
    assert game.nash_step() == pytest.approx(0.5)
    assert game.min_payoff() == -2.0


def test_a_common_signal_earns_more_than_any_private_mixture() -> None:
    """Aumann's correlated equilibrium: three cells, a third each, 5 for each player."""
    cells = [("swerve", "swerve"), ("swerve", "dare"), ("dare", "swerve")]
    game = sit("chicken", max_steps=3)
    state = play(game, script(*(action for cell in cells for action in cell)))
    assert state.tally.payoff == (15.0, 15.0)
    assert sum(state.tally.payoff) > game.nash()


def test_the_best_response_is_the_opposite() -> None:
    game = sit("chicken", max_steps=2)
    score = game.score(play(game, script("swerve", "dare", "dare", "dare")))
    assert [player.accuracy for player in score.players] == [0.5, 0.5]


def test_a_dilemma_is_not_chicken() -> None:
    with pytest.raises(ValidationError, match="chicken needs"):
        ChickenParameters(temptation=5, reward=3, sucker=0, crash=1)
