"""Sweeps: every combination of a scenario's swept values is a run; several workers play them, also after a cut.

    sweep-<scenario>-<time>-<id>/
      sweep.json             each arm's values
      <arm>/plan.json        what the arm plays
      <arm>/<run>/           its run: `load_runs` loads all of them, with a column for each swept key

An arm has one place and one run, whichever worker plays it: another worker continues there what a lost one began.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import orjson

from agents.inference.provenance import Tier
from agents.problems import InvalidFileError, Problem, SocietyError, UsageError, member_of
from agents.yaml_file import display, find_file, is_file, read_yaml, shipped_files
from simulation.plan import Plan, Settings, make_plan
from simulation.runs import run_set
from simulation.runs.engines import Engine
from simulation.runs.folders import at_work, finished_run, resumable
from simulation.runs.workers import play_all
from simulation.scenario import FOLDER
from simulation.sweep_values import FILE, arms_in, swept, written
from simulation.tables.runs import Runs, load_runs

COMMAND = "society resume"
_FILES = ("roster", "communication.topology", "communication.topology.file")
Watch = Callable[[int, int], None]
"""Is called with the number of finished runs and the number of all runs."""


@dataclass(frozen=True)
class Arm:
    """One combination of a sweep: its values by key, and what it plays."""

    values: Mapping[str, object]
    plan: Plan


def sweep(
    scenario: str | Path,
    *,
    engine: Engine | str = Engine.LOCAL,
    jobs: int = 1,
    tier: Tier | str | None = None,
    require: Tier | str | None = None,
    episodes: int | None = None,
    endpoints: str | Sequence[str] = (),
    set: Mapping[str, object] | None = None,
    out: str | Path = "runs",
    watch: Watch | None = None,
) -> Runs:
    """Play every combination of a scenario's `sweep` and return all runs.

    Args:
        scenario: A scenario file with a `sweep`, or the folder of a sweep that was cut off.
        engine: local (processes of this machine) or ray.
        jobs: Runs at a time.
        tier: As in `run_scenario`.
        require: As in `run_scenario`.
        episodes: As in `run_scenario`.
        endpoints: As in `run_scenario`.
        set: As in `run_scenario`; swept values win over these.
        out: The folder for the sweep's folder.
        watch: Is called with the number of finished runs and of all runs.

    Raises:
        InvalidFileError: Holds every mistake of every combination.
        UsageError: There is nothing to sweep, or an argument cannot be used.
        SocietyError: A run stopped; what was played is kept.
    """
    folder = Path(scenario)
    if not folder.is_dir():
        arms = sweep_arms(scenario, Settings(tier, require, None, episodes, endpoints, set or {}))
        folder = begin_sweep(next(iter(arms.values())).plan.scenario.name, arms, out)
    return play_sweep(folder, engine=member_of(Engine, engine, "engine"), jobs=jobs, watch=watch)


def sweep_arms(scenario: str | Path | Plan, settings: Settings | None = None) -> Mapping[str, Arm]:
    """Return every combination of a scenario's sweep, by the arm's name; swept values win over `settings`.

    Raises:
        InvalidFileError: Holds every mistake of every combination.
        UsageError: There is nothing to sweep.
    """
    source = scenario if isinstance(scenario, Plan) else find_file(scenario, "scenario", shipped_files(FOLDER))
    given = settings or Settings()
    keys = {key: swept(values) for key, values in sweep_of(source, given).items()}
    if not keys:
        raise UsageError(f"{scenario} has no sweep; add one, for example: sweep: {{seed: [1..10]}}")
    combinations = [dict(zip(keys, values, strict=True)) for values in product(*keys.values())]
    plans = _Plans(source, given)
    arms, problems = {}, builtins.set[Problem]()
    digits = len(str(len(combinations)))
    for number, values in enumerate(combinations, start=1):
        try:
            plan = plans.plan(values)
        except InvalidFileError as error:
            problems |= {_at_home(problem, source, values) for problem in error.problems}
            continue
        arms[f"{number:0{digits}}-{_slug(values)}"] = Arm(values, plan)
    if problems:
        raise InvalidFileError(problems)
    return arms


def sweep_of(scenario: str | Path | Plan, settings: Settings) -> Mapping[str, object]:
    """Return what a scenario sweeps once `settings` are applied: values by key; empty where it is one run."""
    return make_plan(scenario, Settings(set=settings.set)).scenario.sweep


class _Plans:
    """Plans of combinations. Those that differ only in their seed are read and checked once."""

    def __init__(self, source: Path | Plan, settings: Settings) -> None:
        self._source, self._settings = source, settings
        self._loaded: dict[bytes, Plan] = {}

    def plan(self, values: Mapping[str, object]) -> Plan:
        others = {key: value for key, value in values.items() if key != "seed" or not isinstance(value, int)}
        known = orjson.dumps(others)
        if known not in self._loaded:
            self._loaded[known] = self._load(others)
        plan, seed = self._loaded[known], values.get("seed")
        return make_plan(plan, Settings(seed=seed)) if isinstance(seed, int) else plan

    def _load(self, values: Mapping[str, object]) -> Plan:
        """Return the plan with these values in place of the file's and of the settings'."""
        texts = {key: self._text(key, value) for key, value in values.items()}
        changed = {**self._settings.set, "sweep": "{}", **texts}
        episodes = None if "episodes" in values else self._settings.episodes
        return make_plan(self._source, replace(self._settings, episodes=episodes, set=changed))

    def _text(self, key: str, value: object) -> str:
        """Return a value as an override's text; a file that it names is relative to the scenario's file."""
        beside = (self._source.parent if isinstance(self._source, Path) else Path()) / str(value)
        if key in _FILES and isinstance(value, str) and is_file(beside):
            return orjson.dumps(str(beside)).decode()
        return orjson.dumps(value).decode()


def _at_home(problem: Problem, source: Path | Plan, values: Mapping[str, object]) -> Problem:
    """Return a problem of one combination with the sweep's line in the file, where there is one."""
    combination = ", ".join(f"{key}={run_set.path_name(str(value))}" for key, value in values.items() if key != "seed")
    given = problem.file.startswith("seed=")
    for key in values:
        if isinstance(source, Path) and (problem.file.startswith(f"--set {key}=") or (given and key == problem.where)):
            line = read_yaml(source).locate(("sweep", key))
            return replace(problem, file=display(source), line=line, where=f"sweep.{key}")
    return replace(problem, message=f"with {combination}: {problem.message}" if combination else problem.message)


def _slug(values: Mapping[str, object]) -> str:
    """Return the part of an arm's folder name that people read."""
    parts = (f"{key.rsplit('.', 1)[-1]}={value}" for key, value in values.items())
    return run_set.path_name("-".join(parts).replace("=", "_"))[:60]


def begin_sweep(name: str, arms: Mapping[str, Arm], out: str | Path = "runs") -> Path:
    """Make the folder of a new sweep, with every arm's plan and nothing played yet."""
    values = written({arm: each.values for arm, each in arms.items()})
    plans = {arm: each.plan for arm, each in arms.items()}
    return run_set.begin("sweep", name, plans, out, {FILE: values})


def play_sweep(folder: str | Path, *, engine: Engine = Engine.LOCAL, jobs: int = 1, watch: Watch | None = None) -> Runs:
    """Play what is missing in a sweep's folder, `jobs` runs at a time, and load them all.

    Raises:
        SocietyError: A run stopped; the message says how to continue. What was played is kept.
    """
    home = Path(folder).resolve()
    names = sorted(arms_in(home))
    if not names:
        raise SocietyError(f"{folder} is not a sweep's folder: it has no {FILE}")
    with at_work(home), resumable(f"{COMMAND} {folder}"):
        missing = list(_unfinished(home, names))
        done = len(names) - len(missing)
        for _ in _watched(play_all(missing, jobs, engine), watch, done, len(names)):
            pass
    return load_runs(folder)


def _unfinished(folder: Path, names: Sequence[str]) -> Iterator[run_set.ArmWork]:
    works = (run_set.ArmWork(folder, arm) for arm in names)
    return (work for work in works if finished_run(work.place) is None)


def _watched(works: Iterator[run_set.ArmWork], watch: Watch | None, done: int, most: int) -> Iterator[run_set.ArmWork]:
    tell = watch or (lambda _done, _most: None)
    tell(done, most)
    for number, work in enumerate(works, start=done + 1):
        tell(number, most)
        yield work
