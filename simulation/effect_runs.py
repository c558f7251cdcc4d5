"""Playing one plan once per treatment: the runs behind an effect, kept in one folder and resumable.

effect-<scenario>-<time>-<id>/<treatment>/<run>   one run per treatment, `delivered` among them
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from agents.problems import SocietyError
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.modes import MixingPolicy
from simulation.outcomes import read_manifest
from simulation.plan import Plan
from simulation.runner import Observer, RunStoppedError, resume_run, run_scenario
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
    now = datetime.now(timezone.utc)
    folder = Path(out) / f"effect-{plan.scenario.name}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
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
    try:
        _play_all(folder, plan, arms, on_event)
    except RunStoppedError as error:
        raise SocietyError(f"{error}\nto finish it and the other treatments: society effect {folder}") from error
    return folder


def _play_all(folder: Path, plan: Plan, arms: Iterable[Treatment], on_event: Observer | None) -> None:
    for treatment in arms:
        begun = run_folders(folder, treatment)
        if begun:
            resume_run(begun[0], on_event=on_event)
        else:
            run_scenario(_treated(plan, treatment), out=folder / treatment.value, on_event=on_event)


def run_folders(folder: Path, treatment: Treatment) -> list[Path]:
    """The run directories of one treatment in an effect's folder."""
    return sorted(path.parent for path in (folder / treatment.value).glob("*/manifest.json"))


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
