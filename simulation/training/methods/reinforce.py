"""The method `reinforce`: play, and make what paid more than other replies to the same prompt more likely.

In the last step of an episode the rules tell what every choice would have paid, so all of them are weighed there.

Source: Williams, Machine Learning 8 (1992); the baseline: Kool, van Hoof & Welling, ICLR 2019 workshop.
"""

from __future__ import annotations

from simulation.training.all_actions import known_worths
from simulation.training.credit import credited, returns_to_go
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.rollout import play_update, weights_by_episode


def reinforce(context: UpdateContext) -> Lesson:
    """Return the samples of one update's episodes; values are per step.

    Raises:
        SocietyError: A reply that would be learned from was simulated.
    """
    run, acts = play_update(context)
    weights = weights_by_episode(context, run)
    to_go, worths = returns_to_go(run, weights), known_worths(run, weights)
    tasks = dict(zip(run.episodes["episode"].astype(int), run.episodes["task_id"].astype(str), strict=True))
    credit = credited(acts, to_go, tasks, context.means, worths)
    place = run.path.relative_to(context.folder.resolve()).as_posix() if run.path.is_absolute() else str(run.path)
    steps = float(run.episodes["steps"].mean())
    values = {name: value / steps for name, value in credit.returns.items()}
    return Lesson(credit.samples, values, credit.invalid, credit.means, run=place)
