"""The method `imitation`: play like a scripted teacher. Behaviour cloning of what the teacher says and does.

The learner's seat plays at random in half of its decisions, so that every past occurs and the rule is learned, not one
trajectory. A message weighs as much as a decision.

Source: Pomerleau, Neural Computation 3 (1991); Ross, Gordon & Bagnell, AISTATS 2011, for other pasts.
"""

from __future__ import annotations

from functools import partial

from agents.learning.samples import Sample
from simulation.training.credit import LearnerAct
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.rollout import ROLLOUTS, play_captured, policy_named, teacher_reply

EXPLORE = 0.5
BYTES_PER_TOKEN = 4  # about, in any language: a method does not know the model's tokens


def imitation(context: UpdateContext) -> Lesson:
    """Return what each learner's teacher says and does in one update's episodes."""
    replies = {
        name: partial(teacher_reply, policy_named(learner.teacher or ""), EXPLORE)
        for name, learner in context.config.learners.items()
    }
    place = context.folder / ROLLOUTS / f"{context.update:04}"
    run, acts = play_captured(context, place, replies)
    samples = [Sample(act.prompt, picked=act.reply, weight=_weight(act)) for act in acts if act.valid]
    return Lesson(samples, run=f"{ROLLOUTS}/{context.update:04}/{run.path.name}")


def _weight(act: LearnerAct) -> float:
    """Return 1 for a decision and 1 / tokens for a message: the loss of a message adds up over its tokens."""
    return 1.0 if act.prompt.choices else min(1.0, BYTES_PER_TOKEN / len(act.reply.encode()))
