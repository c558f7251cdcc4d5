"""How often a gate promotes a learner that is no better, and how often it sees a gain, on tables in a game's graph.

The decision and the published power are those of a training (`simulation.training.gate`). Episodes are drawn in the
graph, thousands in a second. Candidate and incumbent share their random numbers, as in a training; or each draws its
own, which is what the published power assumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from agents.learning.samples import LossWeights, Sample
from simulation.metrics.arrays import Vector
from simulation.sections.gate import GateConfig
from simulation.training.gate.decision import COMPANY, GateDecision, GateMeasures, PairedDifferences, decide
from simulation.training.gate.power import pilot_power
from simulation.training.graph import GameGraph
from simulation.training.tabular import TabularTrainer

Rows = Sequence[Sequence[float]]
LEARNER = "p0"
UPDATES, GATES, RATE = 2, 4, 8.0
"""Of a null training: updates before each gate, gates, and the learning rate."""


@dataclass(frozen=True)
class FoundGains:
    """The share of trainings in which a gate saw a planted gain, and the mean of the powers that were published."""

    found: float
    published: float


class SeededEpisodes:
    """Episodes whose every draw is given: the same numbers and another table give the twin of an episode.

    Args:
        graph: A game with a last step, which begins in one way.
    """

    def __init__(self, graph: GameGraph) -> None:
        moves = graph.moves
        assert moves.steps is not None, "the game has a last step"
        self._payoffs, self._children = moves.payoffs[:, 0].tolist(), moves.children.tolist()
        self.steps, self.players = int(moves.steps.max()) + 1, moves.places.shape[1]
        self._menus: list[list[list[int]]] = [[[] for _ in range(self.players)] for _ in range(graph.nodes)]
        self._joint: dict[tuple[int, tuple[int, ...]], int] = {}
        for number, (node, places) in enumerate(zip(moves.parents.tolist(), moves.places.tolist(), strict=True)):
            self._joint[node, tuple(places)] = number
            for player, place in enumerate(places):
                if place not in self._menus[node][player]:
                    self._menus[node][player].append(place)

    def earned(self, rows: Rows, draws: np.ndarray) -> Vector:
        """Return what the first player earns a step, by episode.

        Args:
            rows: One row of probabilities per cell of the graph.
            draws: Numbers in [0, 1) by episode, step and player.
        """
        chances = [1.0, *(chance for row in rows for chance in row)]
        return np.array([self._episode(chances, each) for each in draws.tolist()]) / self.steps

    def _episode(self, chances: Sequence[float], draws: Sequence[Sequence[float]]) -> float:
        node, total = 0, 0.0
        for numbers in draws:
            picks = (_picked(menu, chances, draw) for menu, draw in zip(self._menus[node], numbers, strict=True))
            move = self._joint[node, tuple(picks)]
            total, node = total + self._payoffs[move], self._children[move]
        return total


def _picked(menu: Sequence[int], chances: Sequence[float], draw: float) -> int:
    sums = accumulate(chances[place] for place in menu)
    return next((place for place, least in zip(menu, sums, strict=True) if draw < least), menu[-1])


def null_promotions(graph: GameGraph, gate: GateConfig, trainings: int, seed: int = 0) -> float:
    """Return the share of trainings in which a gate promotes a version, where none is better than another.

    Every update changes the first player's table in a random direction; the others are undecided. Only its gain
    decides: no held-out partner can refuse it.

    Args:
        graph: A game that pays the first player the same whatever it plays against undecided others.
        gate: The gate; `every` and `held_out` do not count.
        trainings: How many.
        seed: Of all draws.
    """
    return sum(_promotes(graph, gate, seed + number) for number in range(trainings)) / trainings


def _promotes(graph: GameGraph, gate: GateConfig, seed: int) -> bool:
    trainer, draws = TabularTrainer(RATE, spread=0.5, seed=seed), np.random.default_rng(seed)
    episodes, incumbent = SeededEpisodes(graph), _rows(graph, trainer)
    promoted = 0
    for number in range(1, GATES + 1):
        for _ in range(UPDATES):
            _wander(graph, trainer, draws)
        candidate = _rows(graph, trainer)
        common = draws.random((gate.episodes, episodes.steps, episodes.players))
        gains = episodes.earned(candidate, common) - episodes.earned(incumbent, common)
        if _decided(gains, gate, number).promoted:
            promoted, incumbent = promoted + 1, candidate
    return promoted > 0


def _rows(graph: GameGraph, trainer: TabularTrainer) -> list[tuple[float, ...]]:
    """The first player's table, and undecided others."""
    learned = trainer.probabilities([cell.prompt for cell in graph.cells])
    undecided = [(1 / len(cell.actions),) * len(cell.actions) for cell in graph.cells]
    return [
        own if cell.prompt.learner == LEARNER else other
        for cell, own, other in zip(graph.cells, learned, undecided, strict=True)
    ]


def _wander(graph: GameGraph, trainer: TabularTrainer, draws: np.random.Generator) -> None:
    """Change the first player's table in a random direction."""
    own = [cell for cell in graph.cells if cell.prompt.learner == LEARNER]
    values = draws.normal(size=(len(own), max(len(cell.actions) for cell in own))).tolist()
    samples = [
        Sample(cell.prompt, values=tuple(row[: len(cell.actions)])) for cell, row in zip(own, values, strict=True)
    ]
    trainer.forward_backward(samples, LossWeights())
    trainer.optim_step(LEARNER)


def _decided(gains: Vector, gate: GateConfig, number: int) -> GateDecision:
    found = GateMeasures("candidate", "incumbent", PairedDifferences(COMPANY, gains), ())
    return decide(found, gate, number)


def found_gains(
    graph: GameGraph, first: Rows, better: Rows, gate: GateConfig, trainings: int, *, common: bool, seed: int = 0
) -> FoundGains:
    """Return how often the first gate sees a gain, and how often it should by the power published from a pilot.

    Args:
        graph: The game.
        first: What all play at first, one row per cell.
        better: What the first player's candidate plays: its gain is `gate.delta` a step.
        gate: The gate.
        trainings: How many.
        common: Whether candidate and incumbent share their random numbers.
        seed: Of all draws.
    """
    episodes, rng = SeededEpisodes(graph), np.random.default_rng(seed)
    found, published = 0, list[float]()
    for _ in range(trainings):
        pilot, old, own = rng.random((3, gate.episodes, episodes.steps, episodes.players))
        published.append(pilot_power(LEARNER, COMPANY, episodes.earned(first, pilot), gate).power)
        gains = episodes.earned(better, old if common else own) - episodes.earned(first, old)
        found += _decided(gains, gate, 1).promoted
    return FoundGains(found / trainings, float(np.mean(published)))
