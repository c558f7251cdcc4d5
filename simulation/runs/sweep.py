"""Sweeps: every combination of a scenario's swept values is a run, played on several workers, finished after a cut.

    sweep-<scenario>-<time>-<id>/
      sweep.json             what each arm's values are
      <arm>/plan.json        what the arm plays
      <arm>/<run>/           its run: `load_runs` gives all of them, with a column for each swept key

An arm has one place and one run, whichever worker plays it: what a lost worker had begun is gone on with there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import orjson

from agents.problems import InvalidFileError, Problem, SocietyError, UsageError
from agents.yaml_file import display, find_file, read_yaml, shipped_files
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.folders import at_work, finished_run, play_in, resumable
from simulation.runs.runner import RunOptions
from simulation.runs.workers import Engine, play_all
from simulation.scenario import FOLDER
from simulation.sweep_values import FILE, arms_in, swept, written
from simulation.tables.run import Run
from simulation.tables.runs import Runs, load_runs

COMMAND = "society sweep"
Watch = Callable[[int, int], None]
"""Is told the runs finished, and how many there are."""


@dataclass(frozen=True)
class Arm:
    """One combination of a sweep: its values by key, and what it plays."""

    values: Mapping[str, object]
    plan: Plan


@dataclass(frozen=True)
class ArmWork:
    """An arm as a worker is handed it."""

    folder: Path
    arm: str

    @property
    def place(self) -> Path:
        """Where its run lies."""
        return self.folder / self.arm

    def play(self) -> Run:
        """Play, finish or load the arm's run. Raises RunStoppedError."""
        return play_in(self.place, run_set.plan_of(self.folder, self.arm))


def sweep_arms(
    scenario: str | Path, *, options: RunOptions | None = None, overrides: Mapping[str, str] | None = None
) -> Mapping[str, Arm]:
    """Every combination of a scenario's sweep, by the arm's name; swept values win over `overrides` and `options`.

    Raises InvalidFileError with every mistake of every combination, and UsageError where there is nothing to sweep.
    """
    path = find_file(scenario, "scenario", shipped_files(FOLDER))
    base = Plan.load(path, overrides)
    sweep = {key: swept(values) for key, values in base.scenario.sweep.items()}
    if not sweep:
        raise UsageError(f"{scenario} has no sweep; add one, for example: sweep: {{seed: [1..10]}}")
    combinations = [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]
    plans = _Plans(path, {**(overrides or {}), "sweep": "{}"}, options or RunOptions())
    arms, problems = {}, set[Problem]()
    digits = len(str(len(combinations)))
    for number, values in enumerate(combinations, start=1):
        try:
            plan = plans.plan(values)
        except InvalidFileError as error:
            problems |= {_at_home(problem, path, values) for problem in error.problems}
            continue
        arms[f"{number:0{digits}}-{_slug(values)}"] = Arm(values, plan)
    if problems:
        raise InvalidFileError(problems)
    return arms


class _Plans:
    """Plans of combinations. Those that differ in their seed only are read and checked once."""

    def __init__(self, path: Path, overrides: Mapping[str, str], options: RunOptions) -> None:
        self._path, self._overrides, self._options = path, overrides, options
        self._loaded: dict[bytes, Plan] = {}

    def plan(self, values: Mapping[str, object]) -> Plan:
        seed = values.get("seed", self._options.seed)
        others = {key: self._text(key, value) for key, value in values.items() if key != "seed"}
        if not isinstance(seed, int) and seed is not None:
            others["seed"] = self._text("seed", seed)  # wrong, and told as any other
        known = orjson.dumps(others)
        if known not in self._loaded:
            self._loaded[known] = Plan.load(self._path, {**self._overrides, **others})
        plan = self._loaded[known]
        told = replace(self._options, seed=seed if isinstance(seed, int) else None)
        if "episodes" in values:
            told = replace(told, episodes=None)
        return Plan(told.applied(plan.scenario), plan.roster)

    def _text(self, key: str, value: object) -> str:
        """A value as an override has it; a roster's file lies beside the scenario, as elsewhere in the file."""
        beside = self._path.parent / str(value)
        if key == "roster" and isinstance(value, str) and beside.is_file():
            return orjson.dumps(str(beside)).decode()
        return orjson.dumps(value).decode()


def _at_home(problem: Problem, path: Path, values: Mapping[str, object]) -> Problem:
    """A problem of one combination, as of the sweep's line in the file."""
    file = read_yaml(path)
    combination = ", ".join(f"{key}={run_set.path_name(str(value))}" for key, value in values.items() if key != "seed")
    given = problem.file == "with the options given"
    for key in values:
        if problem.file.startswith(f"--set {key}=") or (given and key == problem.where):
            return replace(problem, file=display(path), line=file.locate(("sweep", key)), where=f"sweep.{key}")
    return replace(problem, message=f"with {combination}: {problem.message}" if combination else problem.message)


def _slug(values: Mapping[str, object]) -> str:
    """What a person sees of an arm in its folder's name."""
    parts = (f"{key.rsplit('.', 1)[-1]}={value}" for key, value in values.items())
    return run_set.path_name("-".join(parts).replace("=", "_"))[:60]


def begin_sweep(name: str, arms: Mapping[str, Arm], out: str | Path = "runs") -> Path:
    """The folder of a new sweep, with every arm's plan and nothing played yet."""
    told = written({arm: each.values for arm, each in arms.items()})
    plans = {arm: each.plan for arm, each in arms.items()}
    return run_set.begin("sweep", name, plans, out, {FILE: told})


def play_sweep(folder: str | Path, *, engine: Engine = Engine.LOCAL, jobs: int = 1, watch: Watch | None = None) -> Runs:
    """Play what is missing in a sweep's folder, `jobs` runs at a time, and load them all.

    Raises SocietyError where a run stops, with how to go on; what was played is kept.
    """
    home = Path(folder).resolve()
    names = sorted(arms_in(home))
    if not names:
        raise SocietyError(f"{folder} is not a sweep's folder: it has no {FILE}")
    with at_work(home), resumable(f"{COMMAND} {folder}"):
        missing = list(_unfinished(home, names))
        done = len(names) - len(missing)
        for _ in _told(play_all(missing, jobs, engine), watch, done, len(names)):
            pass
    return load_runs(folder)


def _unfinished(folder: Path, names: Sequence[str]) -> Iterator[ArmWork]:
    works = (ArmWork(folder, arm) for arm in names)
    return (work for work in works if finished_run(work.place) is None)


def _told(works: Iterator[ArmWork], watch: Watch | None, done: int, most: int) -> Iterator[ArmWork]:
    tell = watch or (lambda _done, _most: None)
    tell(done, most)
    for number, work in enumerate(works, start=done + 1):
        tell(number, most)
        yield work
