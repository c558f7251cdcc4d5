"""The method `imitation`: play like a scripted teacher. Behaviour cloning of what the teacher says and does.

The learner's seat plays at random in half of its decisions, so that every past occurs and the rule is learned, not one
trajectory.

Source: Pomerleau, Neural Computation 3 (1991); Ross, Gordon & Bagnell, AISTATS 2011, for other pasts.
"""

from __future__ import annotations

from functools import partial

from agents.learning.samples import Sample
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.rollout import ROLLOUTS, play_captured, policy_named, teacher_reply

EXPLORE = 0.5


def imitation(context: UpdateContext) -> Lesson:
    """Return what each learner's teacher says and does in one update's episodes."""
    replies = {
        name: partial(teacher_reply, policy_named(learner.teacher or ""), EXPLORE)
        for name, learner in context.config.learners.items()
    }
    place = context.folder / ROLLOUTS / f"{context.update:04}"
    run, acts = play_captured(context, place, replies)
    samples = [Sample(act.prompt, picked=act.reply) for act in acts if act.valid]
    return Lesson(samples, run=f"{ROLLOUTS}/{context.update:04}/{run.path.name}")
