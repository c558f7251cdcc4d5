"""The public face of training: `train_scenario` begins, `resume_training` goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.problems import UsageError
from simulation.plan import Plan, Settings, make_plan
from simulation.training.adapters import with_adapters
from simulation.training.export import default_update
from simulation.training.rollout import is_tabular
from simulation.training.run import VERSIONS, OnUpdate, begin_training, check_digest, config_of, train
from simulation.training.shipped import shipped_trainings
from simulation.training.tables import Training, load_training

if TYPE_CHECKING:
    from agents.inference.provenance import Tier
    from agents.roster import Roster
    from simulation.scenario import ScenarioSource


def train_scenario(
    scenario: ScenarioSource | Plan,
    *,
    roster: Roster | str | Path | None = None,
    tier: Tier | str | None = None,
    seed: int | None = None,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    updates: int | None = None,
    begin: str | Path | None = None,
    out: str | Path = "runs",
    on_update: OnUpdate | None = None,
) -> Training:
    """Train the learners of a scenario's `training` section and return the training.

        training = train_scenario("dilemma_tables")
        training.plot()

    Args:
        scenario: As in `run_scenario`, or a shipped training's name. It has a `training` section.
        roster: As in `run_scenario`.
        tier: As in `run_scenario`.
        seed: As in `run_scenario`.
        endpoints: As in `run_scenario`.
        set: As in `run_scenario`.
        updates: Updates to end at, in place of the scenario's number.
        begin: A training of some of the same learners: they begin as it left them.
        out: The folder in which the training's folder is made.
        on_update: Called with every line of the ledger.

    Raises:
        InvalidFileError: Holds every mistake in the scenario and its roster; nothing was written.
        UsageError: The scenario has no `training` section, or does not fit its method.
        SocietyError: A reply would be learned from that was simulated, or a base model cannot be loaded.
    """
    source = shipped_trainings().get(scenario, scenario) if isinstance(scenario, str) else scenario
    plan = make_plan(source, Settings(tier=tier, seed=seed, endpoints=endpoints, set=set or {}), roster)
    folder = begin_training(plan if begin is None else continued(plan, begin), out)
    train(folder, updates=updates, on_update=on_update)
    return load_training(folder)


def continued(plan: Plan, path: str | Path) -> Plan:
    """Return the plan whose learners begin with the adapters that another training left, each with a new optimizer.

    Args:
        plan: A scenario with a `training` section, and its roster.
        path: The other training's folder. A learner that is not among its learners begins as the roster says; one that
            is keeps the rank and the modules that it has there.

    Raises:
        UsageError: The two share no learner, or the learners are tables.
        SocietyError: The folder holds no training, or other weights than its ledger names.
    """
    other = load_training(path)
    if is_tabular(plan) or is_tabular(other.plan):
        raise UsageError("tables begin undecided; only adapters can begin where another training left them")
    ledger = other.ledger
    names = other.plan_learners if ledger.lines else ()
    left = {name: ledger.lines[default_update(other, name)].learners[name] for name in names}
    folders = {name: other.path / VERSIONS / left[name].version for name in config_of(plan).learners if name in left}
    for name, folder in folders.items():
        check_digest(folder, left[name])
    if not folders:
        mine, theirs = (", ".join(each) or "none" for each in (config_of(plan).learners, left))
        raise UsageError(f"{path} has no version of {mine}; its learners: {theirs}")
    return with_adapters(plan, folders)


def resume_training(path: str | Path, *, updates: int | None = None, on_update: OnUpdate | None = None) -> Training:
    """Make the updates of a training that are not made yet; one that is finished is returned as it is.

    Args:
        path: The training's folder.
        updates: Updates to end at, in place of the scenario's number.
        on_update: Called with every new line of the ledger.

    Raises:
        SocietyError: The folder holds no training, or another process trains in it.
    """
    train(Path(path), updates=updates, on_update=on_update)
    return load_training(path)
