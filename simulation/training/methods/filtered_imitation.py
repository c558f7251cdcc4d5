"""The method `filtered_imitation`: clone finished runs, and weigh a reply by what its objective was paid after it.

The weight is exp(advantage / temperature), the advantage in standard deviations, over its mean. Runs may be those of
others; a row learns from the replies of the row with its name.

Source: Peng et al., Advantage-weighted regression (2019), arXiv 1910.00177.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from agents.learning.samples import Sample
from agents.problems import SocietyError
from simulation.tables.runs import load_runs
from simulation.training.credit import acts_of, credited, returns_to_go
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.rollout import refuse_simulated, weights_by_episode

BATCH = 64
_MOST = 3.0  # standard deviations that count


def filtered_imitation(context: UpdateContext) -> Lesson:
    """Return a batch of at most 64 replies per learner, drawn by the update's number.

    Raises:
        SocietyError: The runs hold no reply of a learner, or simulated ones.
    """
    samples: list[Sample] = []
    for place in context.config.runs:
        for path in load_runs(Path(place)).paths:
            samples += _of_run(context, path)
    by_learner: dict[str, list[Sample]] = {name: [] for name in context.config.learners}
    for sample in samples:
        by_learner[sample.prompt.learner].append(sample)
    for name, mine in by_learner.items():
        if not mine:
            raise SocietyError(f"the runs hold no prompt of {name}: the row is not in them, or they say prompts: off")
    rng = random.Random(f"{context.plan.scenario.seed}/{context.update}")
    return Lesson([each for mine in by_learner.values() for each in rng.sample(mine, min(BATCH, len(mine)))])


def _of_run(context: UpdateContext, path: Path) -> list[Sample]:
    from simulation.tables.run import Run

    run, learners = Run(path), list(context.config.learners)
    refuse_simulated(run, learners)
    to_go = returns_to_go(run, weights_by_episode(context, run))
    tasks = dict(zip(run.episodes["episode"].astype(int), run.episodes["task_id"].astype(str), strict=True))
    found = credited(acts_of(run, learners), to_go, tasks, {}).samples
    weights = [math.exp(min(_MOST, each.weight) / context.config.temperature) for each in found]
    mean = sum(weights) / len(weights) if weights else 1.0
    return [Sample(each.prompt, picked=each.picked, weight=w / mean) for each, w in zip(found, weights, strict=True)]
