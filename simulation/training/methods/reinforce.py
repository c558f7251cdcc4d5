"""The method `reinforce`: play, and make what paid more than other replies to the same prompt more likely.

`advantage_alignment` with `sampled` differs in the credit of decisions only: `aligned_credit`.

In the last step of an episode the rules tell what every choice would have paid, so all of them are weighed there.

Source: Williams, Machine Learning 8 (1992); the baseline: Kool, van Hoof & Welling, ICLR 2019 workshop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from agents.strategy import TrainingMode
from simulation.sections.training import TrainingMethod
from simulation.training.all_actions import known_worths
from simulation.training.credit import Credit, LearnerAct, Returns, credit_of, credited, returns_to_go
from simulation.training.lesson import Lesson, UpdateContext
from simulation.training.methods.aligned_credit import aligned
from simulation.training.mixing import ModeShare, experience_after, shares_by_mode
from simulation.training.opponents import meetings, play_lineups
from simulation.training.parts import SeenPart, joined
from simulation.training.rollout import weights_by_episode
from simulation.training.twins import Twins, message_effects, play_twins

if TYPE_CHECKING:
    from simulation.tables.run import Run


def reinforce(context: UpdateContext) -> Lesson:
    """Return the samples of one update's episodes; values are per step.

    Raises:
        SocietyError: A reply that would be learned from was simulated.
    """
    played = play_lineups(context)
    return learned_from(context, played, play_twins(context, played))


def learned_from(
    context: UpdateContext, played: Sequence[tuple[Run, list[LearnerAct]]], twins: Twins = MappingProxyType({})
) -> Lesson:
    """Return the samples of an update whose episodes are played.

    Args:
        context: The update.
        played: Its runs, each with what the learners replied there.
        twins: By learner the same runs without its messages, where messages are credited by them.
    """
    mixed = context.plan.scenario.mode is TrainingMode.MIXED
    without = [{name: runs[part] for name, runs in twins.items()} for part in range(len(played))]
    parts = [_seen(context, *part, mixed, silent) for part, silent in zip(played, without, strict=True)]
    seen, met = joined(parts), meetings(context, [each.to_go for each in parts], [each.steps for each in parts])
    steps = sum(seen.steps) / len(seen.steps)
    credit = _credit(context, seen, steps)
    values = {name: value / steps for name, value in credit.returns.items()}
    effects = message_effects(seen.to_go, seen.twins, seen.steps)
    place = _place(context, played[0][0])
    lesson = Lesson(credit.samples, values, credit.invalid, credit.means, run=place, effects=effects, meetings=met)
    if not mixed:
        return lesson
    ((run, _),) = played
    return replace(lesson, experience=experience_after(run), modes=_by_mode(run, credit, seen.to_go))


def _credit(context: UpdateContext, seen: SeenPart, steps: float) -> Credit:
    config = context.config
    if config.method is not TrainingMethod.ADVANTAGE_ALIGNMENT:
        return credited(seen.acts, seen.to_go, seen.tasks, context.means, seen.worths, seen.twins)
    tasks = context.plan.scenario.tasks
    weighed = aligned(
        seen.acts,
        seen.to_go,
        seen.tasks,
        context.means,
        chances={task.task_id: task.horizon.chance if task.horizon else 1.0 for task in tasks},
        alignment=config.alignment,
        steps=steps,
    )
    return credit_of(seen.acts, seen.to_go, seen.tasks, context.means, list(weighed))


def _seen(context: UpdateContext, run: Run, acts: list[LearnerAct], mixed: bool, silent: Mapping[str, Run]) -> SeenPart:
    weights = weights_by_episode(context, run)
    steps = [int(each) for each in run.episodes["steps"]]
    tasks, twins = tasks_of(run, by_mode=mixed), _without_messages(context, silent)
    return SeenPart(acts, returns_to_go(run, weights), known_worths(run, weights), tasks, steps, twins)


def _without_messages(context: UpdateContext, silent: Mapping[str, Run]) -> Returns:
    """Return what each learner's objective is paid from each step on in the run without its own messages."""
    found: dict[tuple[int, int, str], float] = {}
    for name, run in silent.items():
        to_go = returns_to_go(run, weights_by_episode(context, run))
        found.update({place: value for place, value in to_go.items() if place[2] == name})
    return found


def _place(context: UpdateContext, run: Run) -> str:
    """Return where the episodes are, relative to the training: a run directory, or the folder of several."""
    path = run.path.parent.parent if context.config.plays_several_runs else run.path
    return path.relative_to(context.folder.resolve()).as_posix() if path.is_absolute() else str(path)


def tasks_of(run: Run, *, by_mode: bool) -> dict[int, str]:
    """Return the task of each episode, with its mode where modes are told apart: then nothing is compared across."""
    rows = run.episodes.astype({"task_id": str, "mode": str})
    named = rows["task_id"] + "/" + rows["mode"] if by_mode else rows["task_id"]
    return dict(zip(rows["episode"].astype(int), named, strict=True))


def _by_mode(run: Run, credit: Credit, to_go: Returns) -> dict[str, dict[str, ModeShare]]:
    numbers = run.episodes["episode"].astype(int)
    modes = dict(zip(numbers, run.episodes["mode"].astype(str), strict=True))
    steps = dict(zip(numbers, run.episodes["steps"].astype(int), strict=True))
    values = {
        (episode, name): value / steps[episode]
        for (episode, step, name), value in to_go.items()
        if step == 0 and name in credit.returns
    }
    return shares_by_mode(modes, list(zip(credit.episodes, credit.samples, strict=True)), values)
