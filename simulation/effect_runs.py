"""Playing one plan once per treatment: the runs behind an effect, kept in one folder and resumable.

effect-<scenario>-<time>-<id>/<treatment>/<run>   one run per treatment, `delivered` among them
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from agents.problems import SocietyError
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.modes import MixingPolicy
from simulation.outcomes import read_manifest
from simulation.plan import Plan
from simulation.run_folders import begun_runs, new_folder, play_in, resumable
from simulation.runner import Observer
from simulation.scenario import Scenario
from simulation.treatment import Treatment

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

    Raises SocietyError for a scenario whose episodes have no twins, and RunStoppedError.
    """
    _check_pairs(plan)
    folder = new_folder(out, f"effect-{plan.scenario.name}")
    arms = dict.fromkeys((Treatment.DELIVERED, *treatments))
    for treatment in arms:
        (folder / treatment.value).mkdir(parents=True)
    return _play(folder, plan, arms, on_event)


def resume_treatments(folder: Path, *, on_event: Observer | None = None) -> Path:
    """Play what is missing in a folder that was cut off. Raises SocietyError where no run was begun there."""
    arms = [treatment for treatment in Treatment if (folder / treatment.value).is_dir()]
    begun = [path for treatment in arms for path in run_folders(folder, treatment)]
    if not begun:
        raise SocietyError(f"{folder} holds no begun run of any treatment; start with: society effect SCENARIO")
    manifest = read_manifest(begun[0])
    plan = Plan(Scenario.model_validate(manifest["scenario"]), Roster.model_validate(manifest["roster"]))
    return _play(folder, plan, arms, on_event)


def _play(folder: Path, plan: Plan, arms: Iterable[Treatment], on_event: Observer | None) -> Path:
    with resumable(f"society effect {folder}"):
        for treatment in arms:
            play_in(folder / treatment.value, _treated(plan, treatment), on_event=on_event)
    return folder


def run_folders(folder: Path, treatment: Treatment) -> list[Path]:
    """The run directories of one treatment in an effect's folder."""
    return begun_runs(folder / treatment.value)


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
