"""Plays an experiment: every arm with the same seeds, so that the runs of a seed are twins. Its folder is a sweep's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson

from agents.problems import InvalidFileError, Problem, UsageError
from agents.yaml_file import display, read_yaml
from simulation.plan import Plan, Settings, make_plan
from simulation.runs import run_set
from simulation.runs.runner import refuse_sweep
from simulation.runs.sweep import Watch, play_sweep
from simulation.studies.experiment.definition import (
    Experiment,
    experiment_file,
    read_experiment,
)
from simulation.sweep_values import FILE, written

COMMAND = "society study experiment"
EXPERIMENT = "experiment.json"
ARM, SEED = "arm", "seed"


def begin_experiment(
    source: str | Path, settings: Settings | None = None, *, seeds: int | None = None, out: str | Path = "runs"
) -> Path:
    """Make the folder of a new experiment, with the plan of every arm and seed and nothing played yet.

    Args:
        source: An experiment's file or shipped name.
        settings: Values that replace those of the scenario; those of an arm win over them.
        seeds: Runs of each arm, in place of the experiment's number.
        out: The folder in which the new folder is made.

    Raises:
        InvalidFileError: Holds every mistake in the experiment, its scenario and its arms.
        UsageError: The scenario is a sweep.
    """
    experiment, scenario = read_experiment(source)
    asked = experiment if seeds is None else experiment.model_copy(update={"seeds": seeds})
    plans, values, problems = {}, {}, list[Problem]()
    for arm in asked.arms:
        try:
            plan = _plan_of(asked, arm, scenario, settings or Settings())
        except InvalidFileError as error:
            problems += (_at_home(each, asked, arm, experiment_file(source)) for each in error.problems)
            continue
        for seed in range(plan.scenario.seed, plan.scenario.seed + asked.seeds):
            place = f"{arm}-{seed}"
            plans[place] = make_plan(plan, Settings(seed=seed))
            values[place] = {ARM: arm, SEED: seed}
    if problems:
        raise InvalidFileError(dict.fromkeys(problems))
    stored = orjson.dumps(asked.model_dump(mode="json"), option=orjson.OPT_INDENT_2) + b"\n"
    return run_set.begin("experiment", asked.name, plans, out, {FILE: written(values), EXPERIMENT: stored})


def _plan_of(experiment: Experiment, arm: str, scenario: Path, settings: Settings) -> Plan:
    plan = make_plan(scenario, replace(settings, set={**settings.set, **experiment.arms[arm]}))
    refuse_sweep(plan)
    return plan


def _at_home(problem: Problem, experiment: Experiment, arm: str, file: Path) -> Problem:
    """Return a problem with a value of an arm with its line in the experiment's file."""
    for key in experiment.arms[arm]:
        if problem.file.startswith(f"--set {key}="):
            line = read_yaml(file).locate(("arms", arm, key))
            return replace(problem, file=display(file), line=line, where=f"arms.{arm}.{key}")
    return problem


def play_experiment(folder: str | Path, *, jobs: int = 1, watch: Watch | None = None) -> Path:
    """Play what is missing in an experiment's folder, `jobs` runs at a time.

    Raises:
        UsageError: The folder is no experiment's.
        SocietyError: A run stopped; the message says how to go on. What was played is kept.
    """
    home = Path(folder)
    if not (home / EXPERIMENT).is_file():
        raise UsageError(f"{folder} is not an experiment's folder: it has no {EXPERIMENT}")
    play_sweep(home, jobs=jobs, watch=watch)
    return home
