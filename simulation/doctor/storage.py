"""Checks of the disk: is there enough space for runs and for the embedded model, and can they be written?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from agents.inference.embedded.model_store import cache_root, model_path
from simulation.doctor.finding import Diagnosis, failure, ok, warning

AREA = "disk"
LITTLE = 10**9
_GIGA = 10**9


def examine_storage(out: Path) -> Iterator[Diagnosis]:
    """Check the folder of run directories and the model cache."""
    yield _space("runs", out, "free some space, or choose another folder: --out")
    yield _space("cache", cache_root(), "free some space, or move the cache: export LORA_SOCIETY_CACHE=...")
    model = model_path()
    if model is not None:
        yield ok(AREA, "embedded model", f"in {model}")


def _space(subject: str, folder: Path, remedy: str) -> Diagnosis:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return failure(AREA, subject, f"{there} cannot be written", f"chmod u+w {there}, or choose another folder")
    if free < LITTLE:
        return warning(AREA, subject, f"{free / _GIGA:.1f} GB left at {folder.absolute()}", remedy)
    return ok(AREA, subject, f"{free / _GIGA:.0f} GB free at {folder.absolute()}")
