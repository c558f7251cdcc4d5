"""The method `advantage_alignment`: what helps those who did good, and hurts those who did harm, becomes more likely.

    A*_t = A_t + alignment * d * (sum over k < t of d^(t-k) A_k) * B_t

A are the learner's advantages and B the sum of the other learners': what a joint move brings more than its state is
worth, in points per step of the episode's length; d is the chance that another step follows. The expectation of
A* is computed over all episodes, with the sum of past advantages carried from state to state. No episode is played.

Source: Duque et al., Advantage alignment algorithms (2024), arXiv 2406.14662.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from simulation.metrics.arrays import Vector
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods.reinforce import reinforce
from simulation.training.methods.shaping import ShapedGame, shaped_lesson
from simulation.training.transitions import TransitionSolver


def advantage_alignment(context: UpdateContext) -> Lesson:
    """Return the aligned gradients of one update; values are per step, before it. With `sampled` episodes are played.

    Raises:
        UsageError: There is one learner; models talk, or the mode is mixed.
        SocietyError: A game is too large or draws, or a partner draws.
    """
    if context.config.sampled:
        return reinforce(context)
    return shaped_lesson(context, partial(aligned_slopes, alignment=context.config.alignment))


def aligned_slopes(game: ShapedGame, learner: str, alignment: float) -> Vector:
    """Return the expectation of A* over a learner's own probabilities; 0 at other places.

    Args:
        game: The learners' game.
        learner: The learner.
        alignment: The weight of products of advantages; 0 is the method `exact`.
    """
    player, moves = game.players[learner], game.moves
    others = sum(game.values.advantage(number) for name, number in game.players.items() if name != learner)
    shaped = game.values.of_places(alignment * moves.discount * past_advantages(game, player)[moves.parents] * others)
    return np.where(game.own(learner), game.values.gradient(player) + shaped, 0.0)


def past_advantages(game: ShapedGame, player: int) -> Vector:
    """Return for each node the expected sum over its visits, discounted, of `player`'s discounted past advantages.

    z_t(s) = d^t E[e_t; s_t = s] with e_t = d (e_(t-1) + A_(t-1)); summed over t: z = d A' (d z + d visits A).
    """
    moves, values = game.moves, game.values
    gained = np.zeros(len(moves.starts))
    goes = moves.children >= 0
    likely = moves.discount**2 * values.likely * values.visits[moves.parents] * values.advantage(player)
    np.add.at(gained, moves.children[goes], likely[goes])
    return TransitionSolver(moves, values.likely, moves.discount**2).solve_transposed(gained)
