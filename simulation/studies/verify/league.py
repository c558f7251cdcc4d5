"""Known answers of populations in two games of pure conflict: fictitious play, and answers to a mixture (PSRO).

In rock, paper, scissors from rock, each answer is one new action: NashConv is 2 with one policy and with two, and 0
with all three. Blotto with four units and three fields is the smallest of its games in which no plan is best. Plans
that are equally good an answer become equally likely, so few policies suffice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from agents.learning.samples import LossWeights
from simulation.metrics.arrays import Vector
from simulation.sections.league import LeagueSolver
from simulation.studies.verify.figures import LearnedFigure
from simulation.studies.verify.learning import LANCTOT, exploitability, silent_table
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games
from simulation.training.league.population import PolicyPopulation
from simulation.training.league.solvers import mixtures
from simulation.training.methods.shaping import samples_of
from simulation.training.tabular import TabularTrainer

BROWN = "Brown, in Activity Analysis of Production and Allocation (1951)"
STEPS, ORACLE_UPDATES, MOST = 2000, 40, 8


def league_figures() -> Iterator[LearnedFigure]:
    """Yield the figures of fictitious play and of PSRO."""
    fists = GameGraph(silent_table("matrix_game", (None, None), steps=1))
    name = "rock, paper, scissors: fictitious play"
    yield LearnedFigure(name, f"exploitability after {STEPS:,} steps", 0.0, 0.02, fictitious_play(fists, STEPS), BROWN)
    name, found = "rock, paper, scissors: PSRO by tables from rock", psro(fists, 40.0, begin_with="rock")
    for policies, low, high in ((1, 1.99, 2.01), (2, 1.9, 2.1), (3, 0.0, 0.05)):
        yield LearnedFigure(name, f"NashConv, policies: {policies}", low, high, found[policies - 1], LANCTOT)
    for force in (4, 6):
        blotto = GameGraph(silent_table("blotto", (None, None), steps=1, parameters={"force": force, "fields": 3}))
        found, name = psro(blotto, 30.0), f"Blotto, {force} units on 3 fields: PSRO by tables"
        yield LearnedFigure(name, f"NashConv, policies: {len(found)}, at most {MOST}", 0.0, 0.05, found[-1], LANCTOT)


def fictitious_play(graph: GameGraph, steps: int) -> float:
    """Return the exploitability of the average of best responses to the average of those before, from rock."""
    sums = [np.eye(len(cell.actions))[0] for cell in graph.cells]
    for _ in range(steps):
        profile = graph.evaluate([tuple(each / each.sum()) for each in sums])
        for player in range(2):
            for place, action in profile.best_actions(player).items():
                sums[place][action] += 1.0
    return exploitability(graph.evaluate([tuple(each / each.sum()) for each in sums]))


def psro(graph: GameGraph, rate: float, begin_with: str | None = None, epsilon: float = 0.05) -> list[float]:
    """Return NashConv of the Nash mixture by number of policies, until it is below epsilon or there are `MOST`.

    Args:
        graph: A game of two learners.
        rate: The learning rate of the tables that answer.
        begin_with: The action that the first policies take; None for undecided ones.
        epsilon: Where it ends.
    """
    moves, first = joined_games([graph], np.eye(2), [float(graph.table.task.max_steps)])
    players = {config.model_id: number for number, config in enumerate(graph.table.configs)}
    tables: dict[str, list[Vector]] = {name: [] for name in players}
    mixture: Mapping[str, Vector] = {}
    found: list[float] = []
    while len(found) < MOST and (not found or found[-1] >= epsilon):
        population = PolicyPopulation(moves, players, tables)
        new = {name: _answer(population, first, name, mixture, rate, begin_with) for name in players}
        tables = {name: [*tables[name], new[name]] for name in players}
        population = PolicyPopulation(moves, players, tables)
        one, other = players
        mixture = dict(
            zip(players, mixtures(LeagueSolver.NASH, population.payoffs(one), population.payoffs(other)), strict=True)
        )
        conv = population.nash_conv(mixture)
        found.append(np.inf if conv is None else conv)
    return found


def _answer(
    population: PolicyPopulation,
    first: Mapping[Any, int],
    name: str,
    mixture: Mapping[str, Vector],
    rate: float,
    begin_with: str | None,
) -> Vector:
    """Return a table that learned an answer to the mixture; without a mixture, the first policy."""
    trainer, prompts = TabularTrainer(rate), [prompt for prompt in first if prompt.learner == name]
    if begin_with is not None and not mixture:
        return _table(first, prompts, [np.eye(len(p.choices))[p.choices.index(begin_with)] for p in prompts])
    for _ in range(ORACLE_UPDATES if mixture else 0):
        table = _table(first, prompts, trainer.probabilities(prompts))
        trainer.forward_backward(samples_of(first, name, population.slopes(name, table, mixture)), LossWeights())
        trainer.optim_step(name)
    return _table(first, prompts, trainer.probabilities(prompts))


def _table(first: Mapping[Any, int], prompts: Sequence[Any], rows: Sequence[Sequence[float] | Vector]) -> Vector:
    found = np.zeros(1 + sum(len(prompt.choices) for prompt in first))
    for prompt, row in zip(prompts, rows, strict=True):
        found[first[prompt] : first[prompt] + len(row)] = row
    return found
