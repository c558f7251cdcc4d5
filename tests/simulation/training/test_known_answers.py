"""Known answers against brute force: every table is tried, every state is searched, and tables converge to the line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.roster import ModelConfig
from simulation.games.equilibria import search
from simulation.plan import Plan
from simulation.training.graph import GameGraph
from simulation.training.known_answers import BEST_RESPONSE, EQUILIBRIUM, OPTIMUM, common_lines, known_answers
from simulation.training.methods.exact import graphs_of
from simulation.training.run import begin_training, train
from simulation.training.tables import load_training

PlanOf = Callable[..., Plan]
ANN = ModelConfig(model_id="ann", policy="tabular")
TFT = ModelConfig(model_id="bo", policy="tit_for_tat")
REPEATED = ("prisoners_dilemma", "stag_hunt", "chicken", "public_goods")
TURNS = ("ultimatum", "trust", "commons")


def seats(count: int, teams: str = "") -> tuple[ModelConfig, ...]:
    return tuple(
        ModelConfig(model_id=f"p{number}", policy="tabular", team_id=team or None)
        for number, team in itertools.zip_longest(range(count), teams)
    )


def everyone(rows: tuple[ModelConfig, ...]) -> dict[str, Any]:
    return {"rows": rows, "training": {"learners": {row.model_id: {} for row in rows}}}


def task(game: str, steps: int, **keys: Any) -> dict[str, Any]:
    return {"tasks": [{"task_id": "t", "task_type": game, "max_steps": steps, **keys}]}


def found(plan: Plan) -> dict[str, tuple[str, float]]:
    return {each.learner: (each.answer, each.value) for each in known_answers(plan)}


def per_step(graph: GameGraph, rows: list[tuple[float, ...]], player: int) -> float:
    profile = graph.evaluate(rows)
    return float(profile.payoffs[player]) / profile.steps


@pytest.mark.parametrize("partners", [["tit_for_tat"], ["tit_for_tat", "always_defect"], ["grim", "always_cooperate"]])
def test_best_response_to_partners_is_the_best_of_all_tables(training_plan: PlanOf, partners: list[str]) -> None:
    """Three steps; the learner cannot tell which partner it has, and its prompts show the last step only."""
    training = {"learners": {"ann": {}}, "partners": {"bo": partners}}
    plan = training_plan(rows=(ANN, TFT), steps=3, training=training)
    graphs = graphs_of(plan)
    prompts = {cell.prompt: cell for graph in graphs for cell in graph.cells}
    best = -math.inf
    for rows in itertools.product(*(np.eye(len(cell.actions)) for cell in prompts.values())):
        chosen = dict(zip(prompts, map(tuple, rows), strict=True))
        values = [per_step(graph, [chosen[cell.prompt] for cell in graph.cells], 0) for graph in graphs]
        best = max(best, float(np.mean(values)))
    assert found(plan) == {"ann": (BEST_RESPONSE, pytest.approx(best))}


@pytest.mark.parametrize("game", [*REPEATED, *TURNS])
def test_optimum_of_sharing_learners_is_that_of_a_search(training_plan: PlanOf, game: str) -> None:
    plan = training_plan(mode="cooperative", **everyone(seats(2)), **task(game, 2))
    (graph,) = graphs_of(plan)
    best = search(graph.table.game).optimum / 2 / 2
    assert found(plan) == dict.fromkeys(("p0", "p1"), (OPTIMUM, pytest.approx(best)))


@pytest.mark.parametrize("game", [*REPEATED, *TURNS])
def test_equilibrium_is_that_of_a_search(training_plan: PlanOf, game: str) -> None:
    plan = training_plan(**everyone(seats(2)), **task(game, 2))
    (graph,) = graphs_of(plan)
    searched = search(graph.table.game)
    assert math.isclose(searched.welfare, graph.table.game.nash())
    values = [sum(w * searched._at(s).values[player] for w, s in searched.starts) / 2 for player in (0, 1)]
    assert found(plan) == {f"p{n}": (EQUILIBRIUM, pytest.approx(value)) for n, value in enumerate(values)}


@pytest.mark.parametrize("horizon", [{"announced": True, "at_most": 5}, {"announced": False, "at_most": 60}])
@pytest.mark.parametrize("method", ["exact", "reinforce"])
def test_answers_do_not_depend_on_a_horizon_where_steps_are_alike(
    training_plan: PlanOf, horizon: dict[str, Any], method: str
) -> None:
    tasks = [{"task_id": "t", "task_type": "prisoners_dilemma", "horizon": {"continue": 0.9, **horizon}}]
    for mode, answer in (("cooperative", (OPTIMUM, 3.0)), ("competitive", (EQUILIBRIUM, 1.0))):
        plan = training_plan(mode=mode, tasks=tasks, training={"method": method})
        assert found(plan) == dict.fromkeys(("ann", "bo"), answer)


def test_best_response_of_a_horizon_is_discounted(training_plan: PlanOf) -> None:
    """Tit-for-tat, announced. Where it is hidden, played episodes end at `at_most`, which no graph has: no answer."""
    training = {"learners": {"ann": {}}}
    for chance in (0.5, 0.9):
        horizon = {"continue": chance, "at_most": 3, "announced": True}
        tasks = [{"task_id": "t", "task_type": "prisoners_dilemma", "horizon": horizon}]
        plan = training_plan(rows=(ANN, TFT), tasks=tasks, training=training)
        plays = itertools.product((0, 1), repeat=3)
        weights = chance ** np.arange(3)
        best = max(weights @ [dilemma(own, other) for own, other in zip(p, (0, *p), strict=False)] for p in plays)
        assert found(plan) == {"ann": (BEST_RESPONSE, pytest.approx(best / weights.sum()))}
    tasks[0]["horizon"] = {"continue": 0.9, "at_most": 60}
    assert found(training_plan(rows=(ANN, TFT), tasks=tasks, training=training))["ann"][1] == pytest.approx(3.0)
    assert not found(training_plan(rows=(ANN, TFT), tasks=tasks, training={**training, "method": "reinforce"}))


def dilemma(own: int, other: int) -> float:
    return [[3.0, 0.0], [5.0, 1.0]][own][other]


@pytest.mark.parametrize(("teams", "game"), [("ab", "prisoners_dilemma"), ("aabb", "public_goods"), ("ab", "chicken")])
def test_alike_teams_end_at_zero(training_plan: PlanOf, teams: str, game: str) -> None:
    rows = seats(len(teams), teams)
    plan = training_plan(mode="team_battle", **everyone(rows), **task(game, 2))
    assert found(plan) == {row.model_id: (EQUILIBRIUM, pytest.approx(0.0)) for row in rows}


def test_two_learners_of_unlike_payoffs_have_the_value_of_their_game(training_plan: PlanOf) -> None:
    """Matching pennies that pays the matcher of heads more: the value is (ad - bc) / (a + d - b - c)."""
    table = {"actions": ["heads", "tails"], "payoffs": [[[2, -2], [-1, 1]], [[-1, 1], [1, -1]]]}
    plan = training_plan(**everyone(seats(2)), **task("matrix_game", 1, parameters=table))
    value = (2 * 1 - 1) / (2 + 1 + 1 + 1)
    assert found(plan) == {"p0": (EQUILIBRIUM, pytest.approx(value)), "p1": (EQUILIBRIUM, pytest.approx(-value))}


def test_value_of_unlike_teams_is_that_of_the_saddle_point(training_plan: PlanOf) -> None:
    table = {"actions": ["one", "two"], "payoffs": [[[3, 0], [2, 0]], [[1, 0], [0, 0]]]}
    plan = training_plan(mode="team_battle", **everyone(seats(2, "ab")), **task("matrix_game", 2, parameters=table))
    assert found(plan) == {"p0": (EQUILIBRIUM, pytest.approx(2.0)), "p1": (EQUILIBRIUM, pytest.approx(-2.0))}


def test_optimum_that_needs_to_know_the_partner_is_left_out(training_plan: PlanOf) -> None:
    """Two learners must do as their partner does, and cannot tell which partner it is."""
    payoffs = [[[[float(a == b == c) * (2 - a)] * 3 for c in (0, 1)] for b in (0, 1)] for a in (0, 1)]
    parameters = {"actions": ["left", "right"], "payoffs": payoffs}
    rows = (*seats(2), ModelConfig(model_id="bo", policy="always_cooperate"))
    for policies, answers in ((["always_cooperate"], 2), (["always_cooperate", "always_defect"], 0)):
        training = {"learners": {"p0": {}, "p1": {}}, "partners": {"bo": policies}}
        keys = {**task("matrix_game", 1, parameters=parameters), "rows": rows, "training": training}
        assert len(known_answers(training_plan(mode="cooperative", **keys))) == answers


@pytest.mark.parametrize(
    "keys",
    [
        {"training": {"method": "imitation", "learners": {name: {"teacher": "grim"} for name in ("ann", "bo")}}},
        {"mode": "mixed", "training": {"method": "reinforce"}},
        {"training": {"learners": {"ann": {}, "bo": {"objective": "shared"}}}},
        {**everyone(seats(2)), **task("coordination", 2), "training": {"method": "reinforce"}},  # meetings are drawn
        {"rows": (ANN, TFT.model_copy(update={"policy": "random_50"})), "training": {"method": "reinforce"}},
    ],
)
def test_what_is_not_proven_has_no_answer(training_plan: PlanOf, keys: dict[str, Any]) -> None:
    rows = keys.get("rows", (ANN, TFT.model_copy(update={"policy": "tabular"})))
    learners = {row.model_id: {} for row in rows if row.policy == "tabular"}
    training = {"learners": learners, **keys.get("training", {})}
    assert known_answers(training_plan(**{"rows": rows, **keys, "training": training})) == ()


@pytest.mark.parametrize(
    ("mode", "keys", "rate"),
    [
        ("competitive", {}, 20.0),
        ("cooperative", {}, 20.0),
        ("cooperative", task("public_goods", 1), 1.0),
        ("competitive", {"rows": (ANN, TFT), "steps": 3, "training": {"learners": {"ann": {}}}}, 20.0),
    ],
)
def test_tables_converge_to_the_known_answer(
    training_plan: PlanOf, tmp_path: Path, mode: str, keys: dict[str, Any], rate: float
) -> None:
    training = {"updates": 60, "adapter": {"learning_rate": rate}, **keys.get("training", {})}
    folder = begin_training(training_plan(**{**keys, "mode": mode, "training": training}), tmp_path)
    train(folder)
    done = load_training(folder)
    values = done.updates.dropna(subset=["value"]).groupby("learner")["value"]
    known = done.known_answers.set_index("learner")["value"]
    assert len(known) == len(values)
    for learner, value in values.last().items():
        assert value == pytest.approx(known[str(learner)], rel=0.05)
        assert abs(values.first()[str(learner)] - known[str(learner)]) > 0.2


def test_plot_draws_one_dashed_line_where_learners_have_the_same(training_plan: PlanOf, tmp_path: Path) -> None:
    folder = begin_training(training_plan(training={"updates": 2}), tmp_path)
    train(folder)
    dashed = [trace for trace in load_training(folder).plot().data if trace.line.dash == "dash"]
    assert [(trace.name, tuple(trace.y), tuple(trace.x)) for trace in dashed] == [(EQUILIBRIUM, (1.0, 1.0), (1, 2))]


def test_lines_name_their_learner_where_they_differ(training_plan: PlanOf) -> None:
    table = {"actions": ["up", "down"], "payoffs": [[[4, 1], [2, 0]], [[1, 3], [0, 1]]]}
    plan = training_plan(**everyone(seats(2)), **task("matrix_game", 1, parameters=table))
    assert [(each.learner, each.value) for each in common_lines(known_answers(plan))] == [("p0", 4.0), ("p1", 1.0)]
