"""An update's episodes in parts: each is a run of its own, which a worker plays, here or on another machine.

rollouts/0001/1/plan.json    what the first part plays
rollouts/0001/1/<run>/       its run

Parts have seeds of their own, so a training depends on how many there are, and not on who plays them. A part whose
worker is lost is gone on with by another: what is played counts once. All workers must see the training's folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.folders import finished_run
from simulation.seeds import derive_seed
from simulation.training.credit import LearnerAct, Returns, Worths
from simulation.training.lesson import UpdateContext

if TYPE_CHECKING:
    from simulation.tables.run import Run

Found = TypeVar("Found")


@dataclass(frozen=True)
class SeenPart:
    """What learners did in one part and what followed, also without their messages; episodes begin at 0 in each."""

    acts: list[LearnerAct]
    to_go: Returns
    worths: Worths
    tasks: dict[int, str]
    steps: list[int]
    twins: Returns = field(default_factory=dict)


def play_parts(context: UpdateContext, place: Path, plan: Plan) -> list[Run]:
    """Play an update's plan in parts, or finish it; return their runs.

    Args:
        context: The update; its crew plays, each worker a part at a time.
        place: The folder of the update's runs.
        plan: All episodes of the update.

    Raises:
        RunStoppedError: A part ended early; the training can be continued.
        SocietyError: Workers keep dying.
    """
    works = []
    for number, part in enumerate(divided(plan, context.config.parts), start=1):
        run_set.write_plan(place / str(number), part)
        works.append(run_set.ArmWork(place.resolve(), str(number)))
    missing = [work for work in works if finished_run(work.place) is None]
    for _ in context.crew.play(missing):
        pass
    return [_finished(work) for work in works]


def divided(plan: Plan, parts: int) -> Iterator[Plan]:
    """Yield the parts of a plan, which together have its episodes; each has a seed of its own."""
    scenario = plan.scenario
    for number in range(parts):
        episodes = scenario.episodes // parts + (number < scenario.episodes % parts)
        seed = derive_seed(scenario.seed, "part", number)
        yield replace(plan, scenario=scenario.model_copy(update={"episodes": episodes, "seed": seed}))


def _finished(work: run_set.ArmWork) -> Run:
    run = finished_run(work.place)
    if run is None:
        raise SocietyError(f"{work.place} has no finished run: its worker does not see this folder")
    return run


def joined(parts: list[SeenPart]) -> SeenPart:
    """Return all parts as one, with episodes numbered on."""
    whole = SeenPart([], {}, {}, {}, [])
    to_go, worths, twins = dict(whole.to_go), dict(whole.worths), dict(whole.twins)
    for part in parts:
        first = len(whole.steps)
        whole.acts.extend(replace(act, episode=act.episode + first) for act in part.acts)
        to_go.update(_numbered_on(part.to_go, first))
        worths.update(_numbered_on(part.worths, first))
        twins.update(_numbered_on(part.twins, first))
        whole.tasks.update({episode + first: task for episode, task in part.tasks.items()})
        whole.steps.extend(part.steps)
    return replace(whole, to_go=to_go, worths=worths, twins=twins)


def _numbered_on(found: Mapping[tuple[int, int, str], Found], first: int) -> dict[tuple[int, int, str], Found]:
    """Return what was found by episode, step and learner, with `first` as the first episode's number."""
    return {(episode + first, step, name): each for (episode, step, name), each in found.items()}
