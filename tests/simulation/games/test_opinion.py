"""The game of opinions: what is paid, what a player sees, and which parameters are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agents.language import Language
from simulation.games.base import GameError, Move, Setting
from simulation.games.opinion import Opinion, OpinionParameters
from simulation.seats import Seat
from tests.simulation.games.table import opened


def game(players: int = 3, steps: int = 2, **parameters: Any) -> Opinion:
    seats = tuple(Seat(f"m{number}", None) for number in range(players))
    return Opinion(Setting(seats, steps), OpinionParameters(**parameters))


def after(table: Opinion, *answers: int | None) -> Any:
    return table.resolve(opened(table), [Move(None if answer is None else str(answer)) for answer in answers])


def test_an_opinion_earns_nothing_unless_something_is_paid() -> None:
    state = after(game(), 1, 4, 7)
    assert state.tally.last_payoff == (0, 0, 0)
    assert state.tally.last_cooperation == (0, 0.5, 1)


def test_agreement_pays_nearness_to_the_others_mean() -> None:
    assert after(game(pays="agreement"), 1, 4, 7).tally.last_payoff == pytest.approx((1 - 4.5 / 6, 1.0, 1 - 4.5 / 6))
    assert after(game(pays="agreement"), 3, 3, 3).tally.last_payoff == (1, 1, 1)


def test_truth_pays_nearness_to_the_truth() -> None:
    table = game(pays="truth", truth=6)
    state = after(table, 6, 1, None)
    assert state.tally.last_payoff == pytest.approx((1, 1 / 6, 0))
    assert (table.optimum(), table.nash()) == (6, 6)
    assert table.equilibrium_play(state, 0) == {"6": 1.0}


def test_an_invalid_answer_keeps_the_opinion() -> None:
    table = game(initial=(2, 3, 4))
    state = after(table, None, 5, 5)
    assert state.table.answers == (2, 5, 5)
    assert table.observe(state, 0, Language.EN).own_last == pytest.approx(1 / 6)
    assert "2" in table.observation_text(state, 0, Language.EN)


def test_a_player_sees_nothing_of_the_others_opinions() -> None:
    table = game(initial=(1, 7, 7))
    seen = table.observe(after(table, 1, 7, 7), 0, Language.EN)
    assert (seen.others_last, seen.others_worst) == (None, None)


def test_common_answer_is_an_equilibrium_of_agreement() -> None:
    table = game(pays="agreement")
    common = int(next(iter(table.equilibrium_play(opened(table), 0) or {})))
    paid = [after(table, own, common, common).tally.last_payoff[0] for own in range(1, 8)]
    assert max(paid) == paid[common - 1] == 1


@pytest.mark.parametrize(
    "parameters",
    [{"low": 7, "high": 7}, {"high": 2000}, {"initial": (9,)}, {"pays": "truth"}, {"truth": 3}, {"pays": "gold"}],
)
def test_parameters_off_the_scale_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OpinionParameters(**parameters)


def test_initial_opinions_are_one_per_model() -> None:
    with pytest.raises(GameError, match="initial gives 2 opinions, and there are 3 models"):
        game(initial=(1, 2))


def test_topic_is_in_the_prompt_language() -> None:
    assert "四天" in game().rules(Language.ZH)
    assert "Cats" in game(topic="Cats are better.").rules(Language.ZH)
