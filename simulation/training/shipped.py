"""The trainings that come with the package, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agents.yaml_file import shipped_files
from simulation.scenario import FOLDER


def shipped_trainings() -> Mapping[str, Path]:
    """Return the files of the shipped trainings by name."""
    return shipped_files(FOLDER / "training")
