"""Plays a scenario with messages delivered and with messages treated: the runs behind `simulation.studies.effect`."""

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

COMMAND = "society study effect"
TREATMENTS = (Treatment.SILENCED, Treatment.SHUFFLED, Treatment.REPLACED)
_LEARNING = (MixingPolicy.UCB1, MixingPolicy.EXP3)


def play_treatments(
    plan: Plan,
    treatments: Sequence[Treatment] = TREATMENTS,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
) -> Path:
    """Play a plan once with messages delivered and once under each treatment; the folder of the runs.

    Args:
        plan: What is played.
        treatments: What is done to messages before they are heard.
        out: The folder in which the new folder is made.
        on_event: Called with every event of every run.

    Raises:
        SocietyError: The scenario's episodes cannot be paired, or a run stopped.
    """
    _check_pairs(plan)
    arms = {treatment.value: _treated(plan, treatment) for treatment in (Treatment.DELIVERED, *treatments)}
    folder = run_set.begin("effect", plan.scenario.name, arms, out)
    return run_set.play(folder, COMMAND, on_event=on_event, at_once=1)


def resume_treatments(folder: Path) -> Path:
    """Play what is missing in an interrupted folder.

    Raises:
        SocietyError: The folder is no effect's, or a run stopped.
    """
    return run_set.play(folder, COMMAND, at_once=1)


def run_folders(folder: Path, treatment: Treatment) -> list[Path]:
    """The run directories of one treatment: one, or none before it has begun."""
    return run_set.run_folders(folder, treatment.value)


def _treated(plan: Plan, treatment: Treatment) -> Plan:
    communication = plan.scenario.communication.model_copy(update={"treatment": treatment})
    return replace(plan, scenario=plan.scenario.model_copy(update={"communication": communication}))


def _check_pairs(plan: Plan) -> None:
    """Check that every episode of the delivered run has a twin in a treated one."""
    scenario = plan.scenario
    if scenario.mode is TrainingMode.MIXED and scenario.mixing.policy in _LEARNING:
        raise SocietyError(
            f"the mixing policy {scenario.mixing.policy.value} learns from welfare, so treated episodes would be "
            'played in other modes than delivered ones; add: --set "mode={mixed: {policy: fixed_cycle}}"'
        )
    if scenario.episodes < 2:
        raise SocietyError("an effect needs at least 2 pairs of episodes; add: --episodes 20 (or more)")
