"""Every game's nash, optimum and accuracy hold by brute force over random small instances."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks.equilibria import DRAWS, instances, problems, searched
from simulation.games import task_types
from simulation.games.base import Game, Setting, State
from simulation.games.equilibria import deals, search
from simulation.games.estimation import Estimation
from simulation.games.measures import SUBGAME_PERFECT, Meaning
from simulation.games.prisoners_dilemma import PrisonersDilemma
from simulation.games.public_goods import PublicGoods
from simulation.seats import Seat

INSTANCES = 25


@pytest.mark.parametrize("task_type", task_types())
def test_nash_optimum_and_accuracy_hold_by_brute_force(task_type: str) -> None:
    for game in itertools.islice(instances(task_type, seed=1), INSTANCES):
        assert problems(searched(game)) == (), (game.setting, game.parameters)


def test_every_game_has_instances() -> None:
    assert set(DRAWS) == set(task_types())


class Saints(PrisonersDilemma):
    """A dilemma that names cooperation as its equilibrium."""

    def equilibrium_play(self, _state: State[Any], _player: int) -> Mapping[str, float]:
        return {"cooperate": 1.0}

    def nash_step(self) -> float:
        return self.parameters.reward


class Miscounted(PrisonersDilemma):
    """A dilemma whose nash is not the welfare of the profile that it names."""

    def nash_step(self) -> float:
        return -self.parameters.punishment


class Modest(PublicGoods):
    """A public goods game whose optimum is too small."""

    def optimum(self) -> float:
        return super().optimum() / 2


class Boastful(PublicGoods):
    """A public goods game whose optimum nobody reaches."""

    def optimum(self) -> float:
        return super().optimum() * 2


class Mistaken(PrisonersDilemma):
    """A dilemma whose accuracy is not what it says."""

    accuracy_meaning = Meaning(SUBGAME_PERFECT, "closeness to cooperation")

    def equilibrium_play(self, state: State[Any], player: int) -> Mapping[str, float]:
        return {"cooperate": 1.0} if state.tally.step == 0 else super().equilibrium_play(state, player)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Saints, "gains 2 by leaving the named equilibrium"),
        (Miscounted, "nash is -4; the named profile has a welfare of 4"),
        (Modest, "legal actions reach"),
        (Boastful, "legal actions reach"),
        (Mistaken, "nash is 4; the named profile has a welfare of 8"),
    ],
)
def test_search_finds_a_planted_fault(kind: type[Game[Any]], words: str) -> None:
    game = kind(Setting((Seat("a"), Seat("b")), 2))
    assert any(words in problem for problem in search(game).problems())


def test_deals_have_every_draw_once_and_add_up_to_1() -> None:
    game = Estimation(Setting((Seat("a"), Seat("b")), 1), Estimation.Parameters(highest=2, noise=1))
    found = deals(game)
    assert sum(weight for weight, _ in found) == pytest.approx(1)
    values = [state.table.deals[0].value for _, state in found]
    assert set(values) == {0, 1, 2}
    # value 0, both signals 0: two of the three errors lead there, for each of the two players
    (both_low,) = (weight for weight, state in found if _is_low(state))
    assert both_low == pytest.approx(1 / 3 * (2 / 3) ** 2)


def _is_low(state: State[Any]) -> bool:
    deal = state.table.deals[0]
    return (deal.value, deal.signals) == (0, (0, 0))
