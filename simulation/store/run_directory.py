"""A run's directory: its manifest, its status, its lock.

runs/<scenario>-<time>-<id>/
  manifest.json   resolved scenario and roster, versions, seed, tier mix, status
  events.jsonl    append-only, the source of truth
  oasis.db        the messages as OASIS keeps them
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

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.store.events import EventLog
from simulation.store.files import atomic_directory, replace_file, translating_os_errors
from simulation.store.migrations import SCHEMA_VERSION

LOCK = ".lock"
PATIENCE = 0.2
"""Seconds to ask for a lock: one that `is_held` has in passing is free again by then."""


class RunStatus(str, Enum):
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


def unique_name(name: str) -> str:
    """A name for a folder of runs: what was run, when it began, and what makes it like no other."""
    return f"{name}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def check_directory(run: Path) -> None:
    """Raises SocietyError where a run directory holds what is not its own: a link that leads out of it, which would be
    read or written in its place, or what is no file, which may never end."""
    home = os.path.realpath(run)
    for folder in (run, run / "tables"):
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):  # or gone meanwhile, as a resumed run's tables are
            continue
        for entry in entries:
            if entry.is_symlink() and not _within(entry.path, home):
                raise SocietyError(
                    f"{entry.path} is a link that leads out of the run directory, or nowhere; put its file there"
                )
            if not (entry.is_dir() or entry.is_file()) and os.path.lexists(entry.path):
                raise SocietyError(f"{entry.path} is neither a file nor a folder; a run directory holds nothing else")


def _within(link: str, home: str) -> bool:
    """Whether a link leads to what there is within `home`."""
    try:
        return os.path.realpath(link, strict=True).startswith(home + os.sep)
    except OSError:  # to nothing, or round in a circle
        return False


def new_directory(out: Path, plan: Plan, replay_of: Path | None = None) -> Path:
    """A fresh run directory in `out`, with its manifest: a process that is killed leaves a whole one or none."""
    now = datetime.now(timezone.utc)
    path = out / unique_name(plan.scenario.name)
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "status": RunStatus.RUNNING.value,
        "reason": "",
        "started": now.isoformat(timespec="seconds"),
        "replay_of": str(replay_of) if replay_of else None,
        "seed": plan.scenario.seed,
        "tier_mix": {},
        "versions": versions(),
        "scenario": plan.scenario.model_dump(mode="json"),
        "roster": plan.roster.model_dump(mode="json"),
    }
    with atomic_directory(path) as part:
        write_manifest(part, manifest)
        (part / EventLog.NAME).touch()
    return path


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a run's manifest whole or not at all."""
    replace_file(path / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")


def versions() -> dict[str, str]:
    """Versions of what decides a run's results."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("lora-society", "camel-oasis", "camel-ai", "torch", "transformers", "peft"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def locked(path: Path) -> FileLock:
    """The run's lock, held. Raises SocietyError where another process holds it; a killed one holds nothing."""
    lock = FileLock(path / LOCK)
    with translating_os_errors(path / LOCK):
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout as error:
            raise SocietyError(f"{path} is being run by another process") from error
    return lock


def is_held(path: Path) -> bool:
    """Whether a process is at work on the run; True too where this machine cannot tell. Writes nothing."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        with (path / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back as the file is closed
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
