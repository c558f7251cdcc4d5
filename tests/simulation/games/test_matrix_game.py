"""The matrix game: any payoff table, its roles and groups, and the equilibria of a table."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.language import Language
from simulation.games.equilibria import search
from simulation.games.matrix_game import GAME, MatrixParameters, PayoffTableGame
from simulation.games.normal_form import NormalForm, Strategies, best_equilibrium
from simulation.scenario import Scenario
from simulation.task import TrainingTask
from tests.simulation.games.table import accuracies, game_of, opened, played

SEXES: dict[str, Any] = {
    "actions": {"row": ("opera", "football"), "column": ("opera", "football")},
    "payoffs": [[[3, 2], [0, 0]], [[0, 0], [2, 3]]],
}
PENNIES: dict[str, Any] = {"actions": ("heads", "tails"), "payoffs": [[1, -1], [-1, 1]]}


def game(players: int = 2, steps: int = 1, **parameters: Any) -> PayoffTableGame:
    return game_of(GAME, players, steps, **parameters)


def form(**parameters: Any) -> NormalForm:
    return MatrixParameters(**parameters).normal_form()


def flat(strategies: Sequence[Sequence[float]] | None) -> list[float]:
    return [chance for each in strategies or () for chance in each]


def gain(table: NormalForm, strategies: Strategies) -> float:
    """The most that a player gains by one action, if all others play their part."""
    found = []
    for player, own in enumerate(table.expected(strategies)):
        for action in range(table.shape[player]):
            pure = tuple(float(each == action) for each in range(table.shape[player]))
            changed = (*strategies[:player], pure, *strategies[player + 1 :])
            found.append(table.expected(changed)[player] - own)
    return max(found)


def test_rock_paper_scissors_has_the_uniform_equilibrium() -> None:
    assert flat(best_equilibrium(form())) == pytest.approx([1 / 3] * 6)
    assert (game(steps=5).nash(), game(steps=5).optimum(), game(steps=5).min_payoff()) == (0, 0, -5)


def test_matching_pennies_has_no_pure_equilibrium() -> None:
    assert flat(best_equilibrium(form(**PENNIES))) == pytest.approx(flat([[0.5, 0.5]] * 2))


def test_unequal_zero_sum_game_is_solved() -> None:
    # by hand: row plays (3/4, 1/4), column (1/2, 1/2); the value is 1/2
    table = form(actions=("a", "b"), payoffs=[[1, 0], [-1, 2]])
    found = best_equilibrium(table)
    assert flat(found) == pytest.approx(flat([[0.75, 0.25], [0.5, 0.5]]))
    assert table.expected(found)[0] == pytest.approx(0.5)


def test_battle_of_the_sexes_names_a_pure_equilibrium() -> None:
    assert best_equilibrium(form(**SEXES)) == ((1, 0), (1, 0))
    assert (game(4, 3, **SEXES).nash(), game(4, 3, **SEXES).optimum()) == (5 * 3 * 2, 5 * 3 * 2)


def test_equilibrium_with_the_largest_welfare_is_named() -> None:
    table = form(actions=("low", "high"), payoffs=[[[1, 1], [0, 0]], [[0, 0], [4, 4]]])
    assert best_equilibrium(table) == ((0, 1), (0, 1))


def test_mixed_equilibrium_of_payoffs_without_a_constant_sum() -> None:
    # inspection: the inspector checks with 1/5, the worker shirks with 1/2
    table = form(
        actions={"inspector": ("check", "trust"), "worker": ("shirk", "work")},
        payoffs=[[[1, -4], [-1, 0]], [[-1, 1], [1, 0]]],
    )
    assert flat(best_equilibrium(table)) == pytest.approx(flat([[0.2, 0.8], [0.5, 0.5]]))


def test_three_players_without_a_pure_equilibrium_have_no_nash() -> None:
    # each wants to differ from the next one around a circle of three: with two actions somebody always fails
    cells = {joint: [int(joint[i] != joint[(i + 1) % 3]) for i in range(3)] for joint in product((0, 1), repeat=3)}
    payoffs = [[[cells[a, b, c] for c in (0, 1)] for b in (0, 1)] for a in (0, 1)]
    three = game(3, actions=("a", "b"), payoffs=payoffs)
    assert three.equilibrium_play(opened(three), 0) is None
    assert math.isnan(three.nash())
    assert math.isnan(three.score(opened(three)).nash)
    constant = [[[[1, 1, 1]] * 2] * 2] * 2
    assert game(3, 2, actions=("a", "b"), payoffs=constant).nash() == 6


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(2, 4), st.sampled_from([1, 2, 9]))
def test_every_table_of_two_has_an_equilibrium(seed: int, rows: int, columns: int, most: int) -> None:
    rng = random.Random(seed)
    cells = tuple((float(rng.randint(-most, most)), float(rng.randint(-most, most))) for _ in range(rows * columns))
    table = NormalForm((rows, columns), cells)
    found = best_equilibrium(table)
    assert found is not None
    assert gain(table, found) <= 1e-7
    assert all(sum(each) == pytest.approx(1) and min(each) >= 0 for each in found)


def test_large_table_without_a_pure_equilibrium_has_no_nash() -> None:
    rng = random.Random(3)
    while True:
        cells = tuple((rng.random(), rng.random()) for _ in range(81))
        if best_equilibrium(NormalForm((9, 9), cells)) is None:
            break
    zero_sum = NormalForm((9, 9), tuple((a, -a) for a, _ in cells))
    found = best_equilibrium(zero_sum)
    assert found is not None
    assert gain(zero_sum, found) <= 1e-7


def test_brute_force_holds_negative_payoffs_of_two_pairs() -> None:
    wild = game(2, 2, actions=("a", "b"), payoffs=[[[-3, 2], [1, -1]], [[4, -6], [-2, 5]]])
    assert search(wild).problems() == ()


def test_payoffs_and_accuracy_follow_the_table() -> None:
    pair = game(**SEXES)
    after = played(pair, opened(pair), "opera", "football")
    assert after.tally.last_payoff == (0, 0)
    assert accuracies(pair, after) == [0, 0]
    together = played(pair, opened(pair), "football", "football")
    assert together.tally.last_payoff == (2, 3)
    assert accuracies(pair, together) == [1, 1]


def test_invalid_decision_makes_the_step_void_for_its_group_only() -> None:
    four = game(4, **PENNIES)
    start = opened(four)
    after = played(four, start, None, *["heads"] * 3)
    groups = [start.table.order[:2], start.table.order[2:]]
    (void,) = [group for group in groups if 0 in group]
    (other,) = [group for group in groups if 0 not in group]
    assert [after.tally.last_payoff[each] for each in void] == [0, 0]
    assert [after.tally.last_payoff[each] for each in other] == [1, -1]


def test_actions_in_a_zero_sum_game_are_equally_kind() -> None:
    levels = [option.cooperation for option in game().observe(opened(game()), 0, Language.EN).options]
    assert levels == [1, 1, 1]


def test_cooperation_is_the_share_of_welfare_against_uniform_others() -> None:
    dilemma = game(actions=("cooperate", "defect"), payoffs=[[[3, 3], [0, 5]], [[5, 0], [1, 1]]])
    options = dilemma.observe(opened(dilemma), 0, Language.EN).options
    assert [option.cooperation for option in options] == [1, 0]


def test_groups_are_fixed_by_the_seed_and_the_roster_order() -> None:
    assert opened(game(2)).table.order == (0, 1)
    many = game(6)
    assert len({opened(many, seed).table.order for seed in range(9)}) > 1
    assert sorted(opened(many, 1).table.order) == list(range(6))
    after = played(many, opened(many, 1), *["rock"] * 6)
    assert after.table.order == opened(many, 1).table.order


def test_texts_name_roles_and_choices() -> None:
    pair = game(**SEXES)
    state = opened(pair)
    assert "row chooses one of opera, football; column" in pair.rules(Language.EN)
    assert "opera, opera: 3, 2" in pair.rules(Language.EN)
    assert pair.observation_text(state, 1, Language.EN) == "You are column, m0 is row. This is the first step."
    after = played(pair, state, None, "opera")
    said = "Last step row chose nothing valid, column chose opera; you earned 0."
    assert pair.observation_text(after, 1, Language.EN) == f"You are column, m0 is row. {said}"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"payoffs": [[0, 1], [1, 0]]}, "payoffs has 2 and must be a list of 3"),
        ({"payoffs": [[0, -1, 1], [1, 0], [-1, 1, 0]]}, r"payoffs\[1\] has 2 and must be a list of 3"),
        ({"payoffs": [[0, -1, 1], [1, "x", 0], [-1, 1, 0]]}, r"payoffs\[1\]\[1\] is 'x'"),
        ({"payoffs": [[0, -1, 1], [1, math.nan, 0], [-1, 1, 0]]}, r"payoffs\[1\]\[1\] is nan"),
        ({"payoffs": [[0, -1, 1], [1, True, 0], [-1, 1, 0]]}, r"payoffs\[1\]\[1\] is True"),
        ({"actions": ("a", "b"), "payoffs": [[[1], [1, 1]], [[1, 1], [1, 1]]]}, r"payoffs\[0\]\[0\]"),
        ({"actions": ("a", "b"), "payoffs": [[[1, 1, 1], [1, 1]], [[1, 1], [1, 1]]]}, r"payoffs\[0\]\[0\]"),
        ({"actions": ("a", "A"), "payoffs": [[0, 0], [0, 0]]}, "different words"),
        ({"actions": ("a", " b"), "payoffs": [[0, 0], [0, 0]]}, "spaces around"),
        ({"actions": {"row": ("a", "b")}, "payoffs": [[0, 0], [0, 0]]}, "at least two roles"),
        ({"actions": ("a", "b"), "payoffs": [[[-1, -1], [-2, 0]], [[-3, 0], [-5, 1]]]}, "add 1 to every payoff"),
    ],
)
def test_broken_table_is_refused_with_its_place(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MatrixParameters(**parameters)


def test_negative_equilibrium_payoff_is_cautioned() -> None:
    lame = MatrixParameters(actions=("a", "b"), payoffs=[[-1, -1], [-1, -1]])
    assert "add 1 to every payoff" in lame.cautions()[0]
    assert MatrixParameters().cautions() == ()


def test_number_of_models_must_fit_the_roles() -> None:
    with pytest.raises(ValueError, match="needs 2 models or a multiple; there are 3"):
        game(3)


def test_task_survives_a_round_trip_through_json() -> None:
    task = TrainingTask(task_id="t", task_type="matrix_game", parameters=SEXES)
    again = TrainingTask.model_validate_json(task.model_dump_json())
    assert again.game_parameters() == task.game_parameters()


@pytest.mark.parametrize("name", ["rock_paper_scissors", "matching_pennies", "battle_of_the_sexes"])
def test_shipped_scenarios_have_a_known_equilibrium(name: str) -> None:
    (task,) = Scenario.load(name).tasks
    parameters = task.game_parameters()
    assert isinstance(parameters, MatrixParameters)
    table = parameters.normal_form()
    found = best_equilibrium(table)
    assert found is not None
    assert gain(table, found) <= 1e-9
