"""The stag hunt against its textbook figures."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from simulation.games.stag_hunt import STAG, StagHunt, StagHuntParameters
from tests.simulation.games.pair_table import pair_game, play, policies, script


def pair(*actions: str | None, **parameters: Any) -> tuple[float, float]:
    game = pair_game("stag_hunt", max_steps=1, **parameters)
    first, second = play(game, script(*actions)).tally.payoff
    return first, second


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        ("stag", "stag", (4.0, 4.0)),
        ("stag", "hare", (0.0, 3.0)),
        ("hare", "stag", (3.0, 0.0)),
        ("hare", "hare", (3.0, 3.0)),
        ("stag", None, (0.0, 0.0)),
    ],
)
def test_payoff_table(own: str, other: str | None, expected: tuple[float, float]) -> None:
    assert pair(own, other) == expected


def test_stag_and_hare_earn_the_same_at_the_mixed_equilibrium() -> None:
    game = pair_game("stag_hunt")
    assert isinstance(game, StagHunt)
    p, table = game.mixed(), game.payoff_table()
    assert p == 3 / 4  # Skyrms 2004: hunt the stag if the odds on your partner are better than 3 to 1
    stag, hare = (p * table[own, "stag"] + (1 - p) * table[own, "hare"] for own in ("stag", "hare"))
    assert stag == pytest.approx(hare) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("parameters", "each"),
    [({}, 3.0), ({"together": 9.0}, 9.0), ({"lone_hare": 1.0, "hares": 1.0}, 4.0)],
)
def test_nash_is_the_risk_dominant_equilibrium(parameters: dict[str, float], each: float) -> None:
    assert pair_game("stag_hunt", 4, 5, **parameters).nash() == 4 * 5 * each


def test_cooperators_reach_the_optimum_and_defectors_nash() -> None:
    game = pair_game("stag_hunt", 2, 10)
    trusting = game.score(play(game, policies("always_cooperate")))
    doubting = game.score(play(game, policies("always_defect")))
    assert (trusting.welfare, doubting.welfare) == (game.optimum(), game.nash()) == (80.0, 60.0)
    assert [player.accuracy for player in (*trusting.players, *doubting.players)] == [1.0] * 4
    assert {player.efficiency for player in doubting.players} == {0.75}


def test_different_choices_have_accuracy_0() -> None:
    game = pair_game("stag_hunt", max_steps=1)
    score = game.score(play(game, script(STAG, "hare")))
    assert [player.accuracy for player in score.players] == [0.0, 0.0]


@pytest.mark.parametrize(
    "parameters",
    [{"lone_hare": 5.0}, {"hares": 3.5}, {"together": -1.0, "lone_hare": -2.0, "hares": -3.0, "lone_stag": -4.0}],
)
def test_bad_parameters_are_refused(parameters: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=r"a stag hunt needs|must be above 0"):
        StagHuntParameters.model_validate(parameters)
