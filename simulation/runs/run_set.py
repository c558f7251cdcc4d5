"""Many runs in one folder: begun together, played side by side where calls wait for servers, finished after a cut.

<kind>-<name>-<time>-<id>/<arm>/plan.json   what the arm plays
<kind>-<name>-<time>-<id>/<arm>/<run>/      its run, once it has begun

An arm's name may hold "/": then its folder is that deep.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import orjson

from agents.inference.provenance import Tier
from agents.problems import SocietyError, StopRequestedError
from simulation.plan import Plan
from simulation.runs.folders import begun_runs, finished_run, new_folder, play_in
from simulation.runs.runner import Observer, RunStoppedError
from simulation.store.events import Event, RunEnded
from simulation.store.files import atomic_directory, replace_file
from simulation.store.migrations import without_removed_settings
from simulation.tables.run import Run

PLAN = "plan.json"
SIDE_BY_SIDE = 4


def begin(
    kind: str, name: str, arms: Mapping[str, Plan], out: str | Path = "runs", beside: Mapping[str, bytes] | None = None
) -> Path:
    """Make the folder of a new set of runs, with every arm's plan and the files `beside` them: whole or not at all."""
    folder = new_folder(out, f"{kind}-{path_name(name)}")
    with atomic_directory(folder) as part:
        for arm, plan in arms.items():
            (part / arm).mkdir(parents=True)
            (part / arm / PLAN).write_bytes(_written(plan))
        for file, content in (beside or {}).items():
            (part / file).write_bytes(content)
    return folder


def write_plan(place: Path, plan: Plan) -> None:
    """Write what an arm plays to its place in a set that is there, unless it is there already."""
    file = place / PLAN
    if not file.exists():
        place.mkdir(parents=True, exist_ok=True)
        replace_file(file, _written(plan))


def path_name(name: str) -> str:
    """Return a name as it may be part of a path."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".")


def _written(plan: Plan) -> bytes:
    parts = {"scenario": plan.scenario.model_dump(mode="json"), "roster": plan.roster.model_dump(mode="json")}
    return orjson.dumps(parts, option=orjson.OPT_INDENT_2) + b"\n"


def arms_of(folder: Path) -> tuple[str, ...]:
    """Return the arms of a set, sorted; empty where `folder` is no set of runs."""
    return tuple(sorted(path.parent.relative_to(folder).as_posix() for path in folder.rglob(PLAN)))


def plan_of(folder: Path, arm: str) -> Plan:
    """Return what an arm plays."""
    parts = orjson.loads((folder / arm / PLAN).read_bytes())
    return Plan.of({**parts, "scenario": without_removed_settings(parts["scenario"])})


@dataclass(frozen=True)
class ArmWork:
    """An arm in the form that workers receive: another goes on with it where one is lost."""

    folder: Path
    arm: str

    @property
    def place(self) -> Path:
        """Return the folder of its run."""
        return self.folder / self.arm

    def play(self) -> Run:
        """Play, finish or load the arm's run. Raises RunStoppedError."""
        return play_in(self.place, plan_of(self.folder, self.arm))


def run_folders(folder: Path, arm: str) -> list[Path]:
    """Return the run directories of one arm: one, or none before it has begun."""
    return begun_runs(folder / arm)


def play(folder: Path, command: str, *, on_event: Observer | None = None, at_once: int | None = None) -> Path:
    """Play what is missing in a set and return its folder.

    Ctrl-C and an error stop all runs; each can be resumed.

    Args:
        folder: The set's folder.
        command: The command that continues the set, named in errors.
        on_event: Is called with every event of every run.
        at_once: Runs side by side; 4 where servers answer, else 1, unless given.

    Raises:
        SocietyError: The folder holds no set, or a run stopped.
    """
    arms = arms_of(folder)
    if not arms:
        raise SocietyError(f"{folder} holds no begun run; start with: {command} ...")
    beside = _side_by_side(plan_of(folder, arms[0])) if at_once is None else at_once
    try:
        if beside == 1:
            for arm in arms:
                _play_one(folder, arm, on_event)
        else:
            _play_side_by_side(folder, arms, on_event, beside)
    except (RunStoppedError, KeyboardInterrupt) as error:
        if isinstance(error, RunStoppedError) and error.repeats:
            raise
        raise SocietyError(f"{str(error) or 'interrupted'}\nto finish all of them: {command} {folder}") from error
    return folder


def _side_by_side(plan: Plan) -> int:
    """Return how many runs like `plan` are worth playing side by side: several where servers are waited for."""
    served = {Tier.CAMEL, Tier.HTTP}
    return SIDE_BY_SIDE if served & set(plan.scenario.inference.tiers) else 1


def _play_one(folder: Path, arm: str, on_event: Observer | None) -> None:
    play_in(folder / arm, plan_of(folder, arm), on_event=on_event)


def _play_side_by_side(folder: Path, arms: tuple[str, ...], on_event: Observer | None, at_once: int) -> None:
    import simulation.engine.society  # noqa: F401  importing OASIS moves the working directory: once, before any thread

    gate = _Gate(on_event)
    with ThreadPoolExecutor(at_once, thread_name_prefix="society-set") as pool:
        running = [pool.submit(_play_one, folder, arm, gate) for arm in arms]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            gate.shut.set()  # runs that have not finished stop at their next event
            for future in running:
                future.cancel()
    _raise_first(running)


class _Gate:
    """One observer for several threads. Once shut, it stops every run that reports to it."""

    def __init__(self, on_event: Observer | None) -> None:
        self.shut = threading.Event()
        self._on_event, self._lock = on_event, threading.Lock()

    def __call__(self, event: Event) -> None:
        if self.shut.is_set() and not isinstance(event, RunEnded):  # a run that stops must write its end
            raise StopRequestedError
        if self._on_event is not None:
            with self._lock:
                self._observe(self._on_event, event)

    def _observe(self, on_event: Observer, event: Event) -> None:
        try:
            on_event(event)
        except KeyboardInterrupt as error:  # of an observer: an event loop beside the main thread must not see it
            raise StopRequestedError from error


def _raise_first(running: list[Future[None]]) -> None:
    """Raise the error that stopped the others, else the first error."""
    errors = [error for future in running if not future.cancelled() and (error := future.exception())]
    causes = [error for error in errors if not isinstance(error.__cause__, StopRequestedError)]
    for error in causes or errors:
        raise error


def finished_runs(folder: Path, command: str) -> Mapping[str, Run]:
    """Return the run of every arm. Raises SocietyError where one is missing or unfinished, naming the `command`."""
    found: dict[str, Run] = {}
    for arm in arms_of(folder):
        run = finished_run(folder / arm)
        if run is None:
            raise SocietyError(f"{folder / arm} is not finished; finish it with: {command} {folder}")
        found[arm] = run
    if not found:
        raise SocietyError(f"{folder} holds no run; start with: {command} ...")
    return found
