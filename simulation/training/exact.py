"""The method `exact`: values, gradients and best responses of a silent game with few prompts, without an episode.

A learner is a table of probabilities over the prompts it can reach, whatever computes them: an adapter's probabilities
are read in one batch, and d objective / d P(choice) is pushed through the model. There is no variance.

Source: Sutton et al., Policy gradient methods for reinforcement learning with function approximation, NeurIPS 1999.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agents.learning.samples import Sample, Trainer
from simulation.metrics.arrays import Vector
from simulation.training.graph import GameGraph, Profile


def profile_of(graph: GameGraph, trainer: Trainer) -> Profile:
    """Return what everyone earns when each learner plays what the trainer has made of it."""
    return graph.evaluate(trainer.probabilities([cell.prompt for cell in graph.cells]))


def exact_samples(graph: GameGraph, profile: Profile, objectives: Mapping[str, Vector]) -> Iterator[Sample]:
    """Return one sample per prompt of each learner: the worth of each choice for its objective, per step.

    A trainer averages a learner's samples; values are scaled so that the sum over prompts is the gradient.

    Args:
        graph: The game.
        profile: The values of the probabilities that are trained.
        objectives: A weight per player for each learner, as `payoff_weights` returns them.
    """
    for learner, weights in objectives.items():
        slopes, places = profile.gradient(weights / profile.steps), graph.cells_of(learner)
        for place in places:
            yield Sample(graph.cells[place].prompt, values=tuple(len(places) * slope for slope in slopes[place]))


def nash_conv(profile: Profile) -> float:
    """Return the sum over learners of what a best response would earn more, per step; 0 in an equilibrium.

    Source:
        Lanctot et al., NeurIPS 2017.
    """
    table = profile.graph.table
    learning = (player for player, config in enumerate(table.configs) if config.model_id in table.learners)
    gains = (profile.best_response(player) - float(profile.payoffs[player]) for player in learning)
    return sum(max(0.0, gain) for gain in gains) / profile.steps
