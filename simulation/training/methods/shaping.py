"""What opponent shaping has in common: the learners' probabilities in one game, and slopes that become samples.

Every task and company of a training is one game here, whose start is drawn; a player's payoff is what its objective
earns per step. A table's logits move by the softmax's derivative: d P = P (u - sum P u).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from agents.learning.samples import Prompt, Sample
from agents.problems import UsageError
from simulation.metrics.arrays import Vector
from simulation.sections.training import TrainingConfig
from simulation.training.best_response import NO_CHOICE, JointMoves
from simulation.training.graph import GameGraph
from simulation.training.joined import joined_games, payoff_counts
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods.exact import graphs_of
from simulation.training.values import GameValues


@dataclass(frozen=True)
class ShapedGame:
    """Learners in one game.

    Attributes:
        moves: The joint moves; payoffs are per step.
        chances: The probability of each place.
        players: Each learner's number.
    """

    moves: JointMoves
    chances: Vector
    players: Mapping[str, int]

    @cached_property
    def values(self) -> GameValues:
        """What everyone earns, and its derivatives."""
        return GameValues(self.moves, self.chances)

    def own(self, learner: str) -> np.ndarray:
        """Return which places are a learner's: True or False for each."""
        found = np.zeros(len(self.chances), dtype=bool)
        found[self.moves.places[:, self.players[learner]]] = True
        found[NO_CHOICE] = False
        return found

    def slope(self, learner: str) -> Vector:
        """Return the derivative of a learner's objective by its own probabilities; 0 at other places."""
        return np.where(self.own(learner), self.values.gradient(self.players[learner]), 0.0)

    def softmax_product(self, vector: Vector) -> Vector:
        """Return the softmax's derivative at these probabilities times a vector, prompt by prompt."""
        prompts = self.moves.cells + 1
        means = np.bincount(prompts, self.chances * vector)
        found = self.chances * (vector - means[prompts])
        found[NO_CHOICE] = 0.0
        return np.asarray(found)

    def after_step(self, step: Vector) -> ShapedGame:
        """Return the game in which each place's logit has moved by `step`."""
        prompts = self.moves.cells + 1
        highest = np.full(prompts.max() + 1, -np.inf)
        np.maximum.at(highest, prompts, step)
        raised = self.chances * np.exp(step - highest[prompts])
        raised /= np.bincount(prompts, raised)[prompts]
        return ShapedGame(self.moves, raised, self.players)


Slopes = Callable[[ShapedGame, str], Vector]
"""Takes a game and a learner; returns what the learner follows: one number per place."""


def shaped_lesson(context: UpdateContext, slopes: Slopes) -> Lesson:
    """Return the samples of one update, in which each learner follows its slopes; values are before the update.

    Raises:
        UsageError: There is one learner: nobody can be shaped.
    """
    if len(context.config.learners) < 2:
        raise UsageError("opponent shaping needs two learners or more: each shapes how the others learn")
    graphs = graphs_of(context.plan)
    prompts = list(dict.fromkeys(cell.prompt for graph in graphs for cell in graph.cells))
    rows = dict(zip(prompts, context.trainer.probabilities(prompts), strict=True))
    game, first = _shaped_game(context.config, graphs, rows)
    samples = [sample for learner in game.players for sample in samples_of(first, learner, slopes(game, learner))]
    values = {learner: float(game.values.payoffs[player]) for learner, player in game.players.items()}
    cells = {name: [rows[prompt] for prompt in prompts if prompt.learner == name] for name in game.players}
    return Lesson(samples, values, cells=cells)


def _shaped_game(
    config: TrainingConfig, graphs: Sequence[GameGraph], rows: Mapping[Prompt, Sequence[float]]
) -> tuple[ShapedGame, Mapping[Prompt, int]]:
    """Return the learners' game, payoffs per expected step of each graph, and the first place of each prompt."""
    steps = np.array([graph.evaluate([rows[cell.prompt] for cell in graph.cells]).steps for graph in graphs])
    moves, first = joined_games(graphs, payoff_counts(config, graphs[0]), steps)
    chances = np.concatenate([[1.0], *(rows[prompt] for prompt in first)])
    names = [row.model_id for row in graphs[0].table.configs]
    return ShapedGame(moves, chances, {name: names.index(name) for name in config.learners}), first


def samples_of(first: Mapping[Prompt, int], learner: str, slopes: Vector) -> list[Sample]:
    """Return one sample per prompt of a learner; a trainer averages them, so each has the slopes times their number.

    Args:
        first: The place of the first action of each prompt.
        learner: The learner.
        slopes: One number per place.
    """
    mine = {prompt: place for prompt, place in first.items() if prompt.learner == learner}
    rows = {prompt: len(mine) * slopes[place : place + len(prompt.choices)] for prompt, place in mine.items()}
    return [Sample(prompt, values=tuple(row.tolist())) for prompt, row in rows.items()]
