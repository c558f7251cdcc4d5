"""Many runs in one folder: each plan has a place there, and is played or finished in it.

<kind>-<name>-<time>-<id>/<place>/<run>
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import Observer, RunStoppedError, resume_run, run_scenario
from simulation.store.run_directory import RunStatus, locked, unique_name
from simulation.tables.run import Run, read_manifest


def new_folder(out: str | Path, stem: str) -> Path:
    """A fresh folder in `out`, called `stem` with time and a random end; not made yet."""
    return Path(out) / unique_name(stem)


def begun_runs(place: Path) -> list[Path]:
    """The run directories in a place; what was killed before its manifest stood is none."""
    return sorted(path.parent for path in place.glob("[!.]*/manifest.json"))


def finished_run(place: Path) -> Run | None:
    """The finished run of a place, if it has one."""
    runs = begun_runs(place)
    finished = runs and read_manifest(runs[0])["status"] == RunStatus.FINISHED.value
    return Run(runs[0]) if finished else None


def play_in(place: Path, plan: Plan, *, on_event: Observer | None = None) -> Run:
    """The finished run of `plan` in its place: resumed where it was begun, loaded where it was finished.

    Raises RunStoppedError.
    """
    begun = begun_runs(place)
    return resume_run(begun[0], on_event=on_event) if begun else run_scenario(plan, out=place, on_event=on_event)


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """Says how to go on with a whole folder where one of its runs, or the person waiting for them, stops: `command`."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise SocietyError(f"interrupted\nwhat was played is kept; to go on: {command}") from error
    except RunStoppedError as error:
        raise SocietyError(f"{error}\nto finish it and the others: {command}") from error


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Holds the folder while its runs are scheduled. Raises SocietyError where another process does."""
    lock = locked(folder)
    try:
        yield
    finally:
        lock.release()
