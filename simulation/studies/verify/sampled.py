"""Gradients of `reinforce` from sampled episodes: their mean against the exact policy gradient of the same tables.

Credit of a training is divided by its spread, which changes the length of a gradient. Compared is the credit before
that: return-to-go less the mean return of the other replies to a prompt, or in the step.

Source: Sutton et al., Policy gradient methods for reinforcement learning with function approximation, NeurIPS 1999.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from agents.learning.samples import LossWeights, Prompt, Sample
from simulation.metrics.arrays import Matrix, Vector
from simulation.training.credit import LearnerAct, advantages, to_go_of
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games
from simulation.training.methods.advantage_alignment import aligned_slopes
from simulation.training.methods.aligned_credit import aligned
from simulation.training.methods.exact import exact_samples, profile_of
from simulation.training.methods.shaping import ShapedGame
from simulation.training.tabular import TabularTrainer, row_key


def standard_errors_off(
    graph: GameGraph, trainer: TabularTrainer, weights: Mapping[str, Vector], *, updates: int, episodes: int
) -> float:
    """Return by how many standard errors the mean sampled gradient misses the exact one, in its worst component.

    Args:
        graph: A game with a last step.
        trainer: What each learner plays; its tables do not change.
        weights: A weight per player for each learner.
        updates: How many gradients are sampled.
        episodes: Of each of them.
    """
    exact = _gradient(graph, trainer, list(exact_samples(graph, profile_of(graph, trainer), weights)))
    sampler = EpisodeSampler(graph, trainer.probabilities([cell.prompt for cell in graph.cells]))
    rng, names = random.Random(5), [config.model_id for config in graph.table.configs]
    task_of, found = dict.fromkeys(range(episodes), graph.table.task.task_id), []
    for _ in range(updates):
        acts, payoffs = sampler.play(episodes, rng)
        to_go = to_go_of(payoffs, names, lambda _episode, name: weights[name])
        found.append(_gradient(graph, trainer, advantages(acts, to_go, task_of, {})))
    sampled = np.array(found)
    errors = sampled.std(axis=0, ddof=1) / np.sqrt(updates)
    return float(np.max(np.abs(sampled.mean(axis=0) - exact) / errors))


def alignment_errors_off(
    graph: GameGraph, trainer: TabularTrainer, *, alignment: float, updates: int, episodes: int
) -> float:
    """Return as `standard_errors_off` for advantage alignment, each learner for its own payoff.

    Args:
        graph: A game without a last step.
        trainer: What each learner plays; its tables do not change.
        alignment: The weight of products of advantages.
        updates: How many gradients are sampled.
        episodes: Of each of them.
    """
    rows = trainer.probabilities([cell.prompt for cell in graph.cells])
    steps = graph.evaluate(rows).steps
    moves, first = joined_games([graph], np.eye(graph.table.game.players), [steps])
    names = [config.model_id for config in graph.table.configs]
    game = ShapedGame(moves, np.concatenate([[1.0], *rows]), {name: at for at, name in enumerate(names)})
    exact = game.softmax_product(np.sum([aligned_slopes(game, name, alignment) for name in names], axis=0))
    sampler, rng, task = EpisodeSampler(graph, rows), random.Random(5), graph.table.task.task_id
    task_of, keys = dict.fromkeys(range(episodes), task), {"alignment": alignment, "steps": steps}
    found = []
    for _ in range(updates):
        acts, payoffs = sampler.play(episodes, rng)
        to_go = to_go_of(payoffs, names, lambda _episode, name: np.eye(len(names))[names.index(name)])
        samples = [each for _, each in aligned(acts, to_go, task_of, {}, chances={task: graph.discount}, **keys)]
        found.append(_logit_gradient(samples, first, game.chances) / episodes)
    sampled = np.array(found)
    errors = sampled.std(axis=0, ddof=1) / np.sqrt(updates)
    return float(np.max(np.abs(sampled.mean(axis=0) - exact)[1:] / errors[1:]))


def _logit_gradient(samples: Sequence[Sample], first: Mapping[Prompt, int], chances: Vector) -> Vector:
    """Return the sum over samples of weight times the gradient of log probability, one number per place."""
    found = np.zeros(len(chances))
    for sample in samples:
        place, choices = first[sample.prompt], sample.prompt.choices
        found[place : place + len(choices)] -= sample.weight * chances[place : place + len(choices)]
        found[place + choices.index(sample.picked)] += sample.weight
    return found


def _gradient(graph: GameGraph, trainer: TabularTrainer, samples: Sequence[Sample]) -> Vector:
    """Return the gradient that samples leave in the tables, one number per choice of each prompt, and take it out."""
    trainer.forward_backward(samples, LossWeights())
    parts = [
        trainer.table(cell.prompt.learner).waiting.pop(row_key(cell.prompt), np.zeros(len(cell.actions)))
        for cell in graph.cells
    ]
    return np.concatenate(parts)


# -- episodes in the graph ------------------------------------------------------------------------------


class EpisodeSampler:
    """Plays episodes in a game's graph.

    Args:
        graph: The game.
        rows: What each learner plays, one row of probabilities per cell.
    """

    def __init__(self, graph: GameGraph, rows: Sequence[Sequence[float]]) -> None:
        self._moves = graph.moves
        likely = np.concatenate([[1.0], *rows])[graph.moves.places].prod(axis=1)
        self._possible = [np.flatnonzero(graph.moves.parents == node).tolist() for node in range(graph.nodes)]
        self._likely = [likely[moves].tolist() for moves in self._possible]
        choices = [(cell.prompt, choice) for cell in graph.cells for choice in cell.prompt.choices]
        self._replies = [[choices[place - 1] for place in each if place] for each in graph.moves.places.tolist()]

    def play(self, episodes: int, rng: random.Random) -> tuple[list[LearnerAct], dict[int, Matrix]]:
        """Return what learners replied, and by episode what every player was paid in each step."""
        acts: list[LearnerAct] = []
        payoffs: dict[int, Matrix] = {}
        for episode in range(episodes):
            moves = list(self._episode(rng))
            payoffs[episode] = self._moves.payoffs[moves]
            for step, move in enumerate(moves):
                acts += [LearnerAct(episode, step, *reply) for reply in self._replies[move]]
        return acts, payoffs

    def _episode(self, rng: random.Random) -> Iterator[int]:
        (node,) = rng.choices(range(len(self._moves.starts)), self._moves.starts.tolist())
        while node >= 0:
            (move,) = rng.choices(self._possible[node], self._likely[node])
            yield move
            node = int(self._moves.children[move])
            if rng.random() >= self._moves.discount:
                return
