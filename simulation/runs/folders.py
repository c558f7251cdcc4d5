"""Many runs in one folder: each plan has a place there, and is played or finished in it.

<kind>-<name>-<time>-<id>/<place>/<run>
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import Observer, RunStoppedError, play_plan, resume_run
from simulation.store.run_directory import RunStatus, locked, unique_name
from simulation.tables.run import Run, read_manifest


def new_folder(out: str | Path, stem: str) -> Path:
    """Return a new folder's path in `out`: `stem` with time and a random end. The folder is not made."""
    return Path(out) / unique_name(stem)


def begun_runs(place: Path) -> list[Path]:
    """Return the run directories in a place; one without a manifest was killed too early and is none."""
    return sorted(path.parent for path in place.glob("[!.]*/manifest.json"))


def finished_run(place: Path) -> Run | None:
    """Return the finished run of a place, None where it has none."""
    runs = begun_runs(place)
    finished = runs and read_manifest(runs[0])["status"] == RunStatus.FINISHED.value
    return Run(runs[0]) if finished else None


def play_in(place: Path, plan: Plan, *, on_event: Observer | None = None) -> Run:
    """Return the finished run of `plan` in its place: resumed where it was begun, loaded where it is finished.

    Raises:
        RunStoppedError: The run ended early.
    """
    begun = begun_runs(place)
    return resume_run(begun[0], on_event=on_event) if begun else play_plan(plan, out=place, on_event=on_event)


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """Add to an error, or to Ctrl-C, the `command` that finishes the whole folder."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise SocietyError(f"interrupted\nwhat was played is kept; to go on: {command}") from error
    except RunStoppedError as error:
        if error.repeats:
            raise
        raise SocietyError(f"{error}\nto finish it and the others: {command}") from error


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Hold the folder while its runs are scheduled. Raises SocietyError where another process holds it."""
    lock = locked(folder)
    try:
        yield
    finally:
        lock.release()
