"""A run's directory: its manifest, its status, its lock.

runs/<scenario>-<time>-<id>/
  manifest.json          resolved scenario and roster, versions, seed, tier mix, status
  events.jsonl           append-only; every table is derived from it
  blocks/*.parquet       the events of large steps, which the log names
  prompts/<n>.jsonl.gz   what models were asked
  oasis.db               the messages as OASIS stores them
  tables/*.parquet
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from agents.answers import ReaderVersion
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.store.files import atomic_directory, replace_file, translating_os_errors
from simulation.store.log import EventLog
from simulation.store.migrations import SCHEMA_VERSION

LOCK = ".lock"
IN_COLUMNS = "in_columns"
"""The manifest's entry that says whether a run was played in columns: no reply of it is in a record."""
PATIENCE = 0.2
"""Seconds to try for a lock: one that `is_held` holds in passing is free again by then."""


class RunStatus(str, Enum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


def unique_name(name: str) -> str:
    """Return a unique name for a folder of runs: what was run, when it began, and a random end."""
    return f"{name}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def check_directory(run: Path) -> None:
    """Refuse a run directory that holds a link that leads out of it, or something that is neither file nor folder.

    Raises:
        SocietyError: Such a link would be read or written in place of the run's own file.
    """
    home = os.path.realpath(run)
    for folder in (run, run / "tables"):
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):  # or removed meanwhile, as a resumed run's tables are
            continue
        for entry in entries:
            if entry.is_symlink() and not _within(entry.path, home):
                why = "is a link that leads out of the run directory or to nothing; put the file itself there"
                raise SocietyError(f"{entry.path} {why}")
            if not (entry.is_dir() or entry.is_file()) and os.path.lexists(entry.path):
                raise SocietyError(f"{entry.path} is neither a file nor a folder; a run directory holds nothing else")


def _within(link: str, home: str) -> bool:
    """Tell whether a link leads to something within `home`."""
    try:
        return os.path.realpath(link, strict=True).startswith(home + os.sep)
    except OSError:  # to nothing, or in a circle
        return False


def new_directory(
    out: Path,
    plan: Plan,
    replay_of: Path | None = None,
    reader: ReaderVersion = ReaderVersion.SENTENCES,
    others: Mapping[str, Any] | None = None,
) -> Path:
    """Make a run directory in `out`, with its manifest; a process that is killed leaves a whole one or none.

    Args:
        out: The folder for run directories.
        plan: What the run plays.
        replay_of: The run that it replays.
        reader: Which reader reads the answers of its models.
        others: Further entries of the manifest: a fork's.
    """
    now = datetime.now(timezone.utc)
    path = out / unique_name(plan.scenario.name)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "id": secrets.token_hex(16),
        "status": RunStatus.RUNNING.value,
        "reason": "",
        "started": now.isoformat(timespec="seconds"),
        "replay_of": str(replay_of) if replay_of else None,
        "seed": plan.scenario.seed,
        "reader": int(reader),
        "tier_mix": {},
        "versions": versions(),
        "scenario": plan.scenario.model_dump(mode="json"),
        "roster": plan.roster.model_dump(mode="json"),
        **(others or {}),
    }
    with atomic_directory(path) as part:
        write_manifest(part, manifest)
        (part / EventLog.NAME).touch()
    return path


def reader_of(manifest: Mapping[str, Any]) -> ReaderVersion:
    """Return which reader reads the answers of a run."""
    return ReaderVersion(manifest["reader"])


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a run's manifest whole or not at all."""
    replace_file(path / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")


def versions() -> dict[str, str]:
    """Return the versions of everything that decides a run's results."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("lora-society", "camel-oasis", "camel-ai", "torch", "transformers", "peft", "numpy", "networkx"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def locked(path: Path) -> FileLock:
    """Return the run's lock, held.

    A killed process holds nothing. Raises SocietyError where another process holds it.
    """
    lock = FileLock(path / LOCK)
    with translating_os_errors(path / LOCK):
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout as error:
            raise SocietyError(f"{path} is being run by another process") from error
    return lock


def is_held(path: Path) -> bool:
    """Tell whether a process plays the run; True also where this machine cannot tell. Writes nothing."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        with (path / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released when the file is closed
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
