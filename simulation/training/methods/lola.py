"""The method `lola`, learning with opponent-learning awareness: a learner's gradient through the others' next step.

    max over own P of V(own P, others' P after they step)
    others' step   logits + look_ahead * d (their value) / d logits

The others' step depends on what the learner plays, so the gradient has a second part: how the learner's probabilities
change the others' step, times what that step changes for the learner. Both parts are exact derivatives by the
learner's own probabilities. An adapter follows them as it follows those of `exact`; the others are modelled as tables
of logits, whatever they are: the model needs their probabilities only.

Source: Foerster et al., Learning with opponent-learning awareness, AAMAS 2018. The value after the step is taken whole,
not by its first terms, as in the authors' exact code.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from simulation.metrics.arrays import Vector
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods.shaping import ShapedGame, shaped_lesson


def lola(context: UpdateContext) -> Lesson:
    """Return the shaped gradients of one update; values are per step, before it. No episode is played.

    Raises:
        UsageError: There is one learner; models talk, or the mode is mixed.
        SocietyError: A game is too large or draws, or a partner draws.
    """
    return shaped_lesson(context, partial(lola_slopes, look_ahead=context.config.look_ahead))


def lola_slopes(game: ShapedGame, learner: str, look_ahead: float) -> Vector:
    """Return the derivative of a learner's value after the others' step by its own probabilities; 0 at other places.

    Args:
        game: The learners' game.
        learner: The learner that looks ahead.
        look_ahead: The length of the others' step: logits per point per step. 0 is the method `exact`.
    """
    others = {name: game.slope(name) for name in game.players if name != learner}
    ahead = game.after_step(look_ahead * np.sum([game.softmax_product(slope) for slope in others.values()], axis=0))
    after, own = ahead.values.gradient(game.players[learner]), game.own(learner)
    found = after.copy()
    for name in others:
        gain = ahead.softmax_product(np.where(game.own(name), after, 0.0))
        found += look_ahead * game.values.gradient_change(game.players[name], game.softmax_product(gain))
    return np.where(own, found, 0.0)
