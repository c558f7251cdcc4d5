"""Populations: values, slopes and best responses to a mixture, against every table that a learner can play."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from simulation.studies.verify.learning import repeated, silent_table
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games
from simulation.training.league.population import PolicyPopulation


def drawn(graph: GameGraph, policies: int, scale: float) -> PolicyPopulation:
    moves, first = joined_games([graph], np.eye(2), [scale])
    rng = np.random.default_rng(4)
    tables: dict[str, list[np.ndarray]] = {"p0": [], "p1": []}
    for name, found in tables.items():
        for _ in range(policies):
            table = np.zeros(len(moves.cells))
            for prompt, place in first.items():
                if prompt.learner == name:
                    table[place : place + len(prompt.choices)] = rng.dirichlet([0.3] * len(prompt.choices))
            found.append(table)
    return PolicyPopulation(moves, {"p0": 0, "p1": 1}, tables)


@pytest.fixture(scope="module")
def chicken() -> PolicyPopulation:
    return drawn(GameGraph(silent_table("chicken", (None, None), steps=2)), 3, 2.0)


MIXTURE = {"p0": np.array([0.5, 0.2, 0.3]), "p1": np.array([0.1, 0.6, 0.3])}


@pytest.mark.parametrize(("learner", "number"), [("p0", 0), ("p1", 1)])
def test_best_response_to_a_mixture_is_the_best_of_all_tables(
    chicken: PolicyPopulation, learner: str, number: int
) -> None:
    """The learner does not see which policy the other drew."""
    moves = chicken.moves
    cells = [np.flatnonzero(moves.cells == cell) for cell in np.unique(moves.cells[moves.places[:, number]])]
    best = -np.inf
    for actions in itertools.product(*cells):
        table = np.zeros(len(moves.cells))
        table[list(actions)] = 1.0
        best = max(best, chicken.against(learner, table, MIXTURE))
    assert chicken.best_response(learner, MIXTURE) == pytest.approx(best)
    assert best > chicken.value(learner, MIXTURE)


def test_nash_conv_is_the_sum_of_both_gains(chicken: PolicyPopulation) -> None:
    gains = [chicken.best_response(name, MIXTURE) - chicken.value(name, MIXTURE) for name in ("p0", "p1")]
    assert min(gains) > 0
    assert chicken.nash_conv(MIXTURE) == pytest.approx(sum(gains))


def test_slopes_equal_finite_differences(chicken: PolicyPopulation) -> None:
    table = chicken.tables["p0"][0]
    slopes = chicken.slopes("p0", table, MIXTURE)
    for place in np.flatnonzero(table):
        step = 1e-5 * np.eye(len(table))[place]
        ahead, back = (chicken.against("p0", table + sign * step, MIXTURE) for sign in (1, -1))
        assert slopes[place] == pytest.approx((ahead - back) / 2e-5, abs=1e-4)


def test_value_of_mixtures_is_the_mean_of_the_payoff_matrix(chicken: PolicyPopulation) -> None:
    pairs = itertools.product(range(3), range(3))
    value = sum(
        MIXTURE["p0"][a] * MIXTURE["p1"][b] * chicken.earned("p0", chicken.tables["p0"][a], b) for a, b in pairs
    )
    assert chicken.value("p0", MIXTURE) == pytest.approx(value)


def test_nash_conv_may_be_unknown_without_a_last_step() -> None:
    """Tit-for-tat or always_defect: after the partner defected, the best action depends on which it is."""
    graph = repeated(None, None)
    population = drawn(graph, 2, 25.0)
    reciprocate, defect = np.zeros(len(population.moves.cells)), np.zeros(len(population.moves.cells))
    _, first = joined_games([graph], np.eye(2), [25.0])
    for prompt, cell in zip((cell.prompt for cell in graph.cells), graph.cells, strict=True):
        if prompt.learner == "p1":
            kind = "chose defect." not in cell.situation  # the partner's last action ends the sentence
            reciprocate[first[prompt] + cell.actions.index("cooperate" if kind else "defect")] = 1.0
            defect[first[prompt] + cell.actions.index("defect")] = 1.0
    tables = {**population.tables, "p1": [reciprocate, defect]}
    mixed = PolicyPopulation(population.moves, population.players, tables)
    assert mixed.nash_conv({"p0": np.array([1.0, 0.0]), "p1": np.array([0.5, 0.5])}) is None
    alone = mixed.best_response("p0", {"p0": np.array([1.0, 0.0]), "p1": np.array([1.0, 0.0])})
    assert alone == pytest.approx(3.0)
