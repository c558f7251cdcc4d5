"""The twins of an update's episodes: the same seeds, with one learner's messages silenced.

rollouts/0001/<run>               the episodes
rollouts/0001/silenced-ann/<run>  their twins without what ann said

What a message is worth is what followed it less what followed in the twin, where nobody heard it: both have the same
draws of the game, and the same seeds of every reply. What the twin pays does not depend on what was said, so it is a
baseline that leaves the mean of the gradient as it is. In a game of several steps the twin is silent in the steps
before too.

Source:
    Wolpert & Tumer, Optimal payoff functions for members of collectives, Advances in Complex Systems 4 (2001), for
    payoffs less those without one member's act.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agents.inference.provenance import Purpose
from simulation.metrics.intervals import mean_interval
from simulation.sections.training import MessageCredit
from simulation.training.credit import LearnerAct, Returns
from simulation.training.lesson import MessageEffect, UpdateContext
from simulation.training.rollout import play_runs, rollouts_of
from simulation.treatment import Treatment

if TYPE_CHECKING:
    from simulation.tables.run import Run

Twins = Mapping[str, Sequence["Run"]]
"""By learner the runs without its messages, one for each part of the update."""


def talkers(context: UpdateContext, acts: Sequence[LearnerAct]) -> list[str]:
    """Return the learners whose messages are credited by twins: those that said something."""
    if context.config.message_credit is not MessageCredit.TWIN:
        return []
    said = {act.prompt.learner for act in acts if act.purpose is Purpose.TALK}
    return [name for name in context.config.learners if name in said]


def twin_place(context: UpdateContext, learner: str) -> Path:
    """Return the folder of the twins without a learner's messages."""
    return rollouts_of(context) / f"silenced-{learner}"


def play_twins(context: UpdateContext, played: Sequence[tuple[Run, list[LearnerAct]]]) -> Twins:
    """Play the twins of an update's episodes, or finish them; nothing where messages are credited by the return.

    Raises:
        SocietyError, RunStoppedError: As `play_runs`.
    """
    acts = [act for _, some in played for act in some]
    return {
        name: [run for run, _ in play_runs(_silenced(context, name), twin_place(context, name))]
        for name in talkers(context, acts)
    }


def _silenced(context: UpdateContext, learner: str) -> UpdateContext:
    scenario = context.plan.scenario
    silent = tuple(dict.fromkeys((*scenario.communication.senders, learner)))
    changes = {"treatment": Treatment.SILENCED, "senders": silent}
    communication = scenario.communication.model_copy(update=changes)
    plan = replace(context.plan, scenario=scenario.model_copy(update={"communication": communication}))
    return replace(context, plan=plan)


def message_effects(to_go: Returns, twins: Returns, steps: Sequence[int]) -> dict[str, MessageEffect]:
    """Return what each learner's messages were worth in an update.

    Args:
        to_go: Returns-to-go of the episodes.
        twins: Those of their twins, each learner's without its own messages.
        steps: The number of steps of each episode.
    """
    found: dict[str, list[float]] = {}
    for (episode, step, name), without in twins.items():
        if step == 0:
            found.setdefault(name, []).append((to_go[episode, 0, name] - without) / steps[episode])
    intervals = {name: mean_interval(values) for name, values in found.items()}
    return {name: MessageEffect(each.value, each.low, each.high) for name, each in intervals.items()}
