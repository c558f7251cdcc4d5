"""The recorded runs that come with the package: real adapters played them once; no model is needed to read or replay.

Each is one ZIP file of `simulation/recorded/` with a run directory's events, prompts and manifest.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import orjson

from agents.problems import UsageError, nearest
from simulation.store.files import atomic_directory
from simulation.tables.run import Run, load_run

FOLDER = Path(__file__).parents[1] / "recorded"
_LEFT_OUT = ("oasis.db", ".lock", "tables")  # tables are derived from the events, in any version
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)  # one content is one file, whenever it is packed


def recorded_names() -> tuple[str, ...]:
    """Return the names of the recorded runs."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.zip")))


def recorded_run(name: str, *, out: str | Path = "recorded") -> Run:
    """Return a recorded run, unpacked into a folder of `out` unless it is there already.

    Args:
        name: One of `recorded_names()`.
        out: The folder for the run directory; not `runs`, so that no recorded run counts among a user's own.

    Raises:
        UsageError: There is no recorded run of that name.
    """
    if name not in recorded_names():
        raise UsageError(f"there is no recorded run {name!r} ({nearest(name, recorded_names())})")
    with zipfile.ZipFile(FOLDER / f"{name}.zip") as packed:
        directory = Path(out) / f"{name}-{orjson.loads(packed.read('manifest.json'))['id'][:6]}"
        if not directory.exists():
            with atomic_directory(directory) as unpacked:
                packed.extractall(unpacked)
    return load_run(directory)


def pack(run: str | Path, name: str) -> Path:
    """Write a run directory as the recorded run of that name, in place of an older one; return the file.

    Paths into this clone become relative and others begin with ~: they name the one who recorded it.
    """
    files = sorted(
        path
        for path in Path(run).rglob("*")
        if path.is_file() and not set(path.relative_to(run).parts) & set(_LEFT_OUT)
    )
    target, clone, home = FOLDER / f"{name}.zip", f"{FOLDER.parents[1]}/".encode(), str(Path.home()).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(run).as_posix(), _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            content = path.read_bytes()
            packed.writestr(
                entry, content.replace(clone, b"").replace(home, b"~") if path.suffix == ".json" else content
            )
    return target
