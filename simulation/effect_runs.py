"""Playing one plan once per treatment: the runs behind an effect, kept in one folder and resumable.

effect-<scenario>-<time>-<id>/<treatment>/<run>   one run per treatment, `delivered` among them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agents.problems import SocietyError
from agents.strategy import TrainingMode
from simulation.modes import MixingPolicy
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.runner import Observer
from simulation.treatment import Treatment

COMMAND = "society effect"
TREATMENTS = (Treatment.SILENCED, Treatment.SHUFFLED, Treatment.REPLACED)
_LEARNING = (MixingPolicy.UCB1, MixingPolicy.EXP3)


def play_treatments(
    plan: Plan,
    treatments: Sequence[Treatment] = TREATMENTS,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
) -> Path:
    """Play `plan` once delivered and once under each treatment; the folder that holds the runs.

    Raises SocietyError for a scenario whose episodes have no twins, and where a run stops.
    """
    _check_pairs(plan)
    arms = {treatment.value: _treated(plan, treatment) for treatment in (Treatment.DELIVERED, *treatments)}
    folder = run_set.begin("effect", plan.scenario.name, arms, out)
    return run_set.play(folder, COMMAND, on_event=on_event, at_once=1)


def resume_treatments(folder: Path, *, on_event: Observer | None = None) -> Path:
    """Play what is missing in a folder that was cut off. Raises SocietyError where no run was begun there."""
    return run_set.play(folder, COMMAND, on_event=on_event, at_once=1)


def run_folders(folder: Path, treatment: Treatment) -> list[Path]:
    """The run directories of one treatment in an effect's folder."""
    return run_set.run_folders(folder, treatment.value)


def _treated(plan: Plan, treatment: Treatment) -> Plan:
    communication = plan.scenario.communication.model_copy(update={"treatment": treatment})
    return replace(plan, scenario=plan.scenario.model_copy(update={"communication": communication}))


def _check_pairs(plan: Plan) -> None:
    scenario = plan.scenario
    if scenario.mode is TrainingMode.MIXED and scenario.mixing.policy in _LEARNING:
        raise SocietyError(
            f"the mixing policy {scenario.mixing.policy.value} learns from welfare, so treated episodes would be "
            'played in other modes than delivered ones; add: --set "mode={mixed: {policy: fixed_cycle}}"'
        )
    if scenario.episodes < 2:
        raise SocietyError("an effect needs at least 2 pairs of episodes; add: --episodes 20 (or more)")
