"""The worth of every choice of a decision, where it is known: in the last step of an episode.

Where every choice of a decision ends the episode nothing follows it. The rules then tell what the objective would have
been paid for each, had all others done what they did. The gradient needs no luck: it pushes every choice by its worth,
also one that was not drawn. A sampled gradient is 0 for a learner that always does the same.

Source: Sutton et al., Policy gradient methods for reinforcement learning with function approximation, NeurIPS 1999; the
all-action form: Ciosek & Whiteson, Expected policy gradients, JMLR 21 (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from simulation.metrics.arrays import Vector
from simulation.tables.reconstruct import DecisionPoint, PlayedStep, played_steps
from simulation.training.credit import Worths

if TYPE_CHECKING:
    from simulation.tables.run import Run


def known_worths(run: Run, weights: Callable[[int, str], Vector]) -> Worths:
    """Return the worth of every choice that the learners had in the last step of an episode.

    Args:
        run: A finished run.
        weights: Takes an episode and a model_id to a weight per player, in the order of the roster.

    Raises:
        GameError: A recorded move breaks the rules of this version's games.
    """
    found: dict[tuple[int, int, str], Mapping[str, float]] = {}
    for step in played_steps(run):
        if step.is_last:
            found.update((point, _worths(step, player, weights)) for player, point in enumerate(step.points))
    return found


def _worths(step: PlayedStep, player: int, weights: Callable[[int, str], Vector]) -> dict[str, float]:
    point: DecisionPoint = step.points[player]
    counts = weights(point.episode, point.model_id)
    if not counts.any():
        return {}
    ends = {option.label: step.after(player, option.action) for option in step.options[player]}
    if not all(map(step.game.is_terminal, ends.values())):
        return {}  # something would have followed another choice
    return {label: float(counts @ state.tally.last_payoff) for label, state in ends.items()}
