"""Checks of Python and its packages: versions, and two packages that conflict with ours."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from simulation.doctor.finding import Diagnosis, failure, ok, warning

AREA = "packages"
DISTRIBUTION = "lora-society"
OLDEST, FIRST_TOO_NEW = (3, 10), (3, 12)
_INSTALL = "make install"


def examine_packages() -> Iterator[Diagnosis]:
    """Check Python, every requirement of this project, and the two packages that are known to conflict."""
    yield _python()
    yield from _requirements()
    yield from _conflicts()


def _python() -> Diagnosis:
    running = platform.python_version()
    if OLDEST <= sys.version_info[:2] < FIRST_TOO_NEW:
        return ok(AREA, "python", running)
    remedy = "python3.11 -m venv .venv, then make install"
    return failure(AREA, "python", f"{running}; camel-oasis 0.2.5 needs 3.10 or 3.11", remedy)


def _requirements() -> Iterator[Diagnosis]:
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        yield warning(AREA, DISTRIBUTION, "is not installed, so its requirements cannot be checked", _INSTALL)
        return
    wanted = [Requirement(line) for line in lines]
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [found for each in wanted if (found := _compare(each)) is not None]
    yield from wrong
    if not wrong:
        core = ", ".join(f"{name} {version(name)}" for name in ("camel-oasis", "camel-ai"))
        yield ok(AREA, "versions", f"{core} and {len(wanted) - 2} others fit")


def _compare(wanted: Requirement) -> Diagnosis | None:
    remedy = f"pip install '{wanted.name}{wanted.specifier}'"
    try:
        there = version(wanted.name)
    except PackageNotFoundError:
        return failure(AREA, wanted.name, "is not installed", remedy)
    # a CPU build of torch has the version 2.13.0+cpu
    if wanted.specifier.contains(there.partition("+")[0], prereleases=True):
        return None
    return failure(AREA, wanted.name, f"is {there}, but must be {wanted.specifier}", remedy)


def _conflicts() -> Iterator[Diagnosis]:
    if _installed("oasis"):
        finding = f"the package oasis {version('oasis')} (importance sampling) is in the place of camel-oasis"
        yield failure(
            AREA,
            "oasis",
            finding,
            "pip uninstall -y oasis && pip install --force-reinstall --no-deps camel-oasis==0.2.5",
        )
    foreign = _installed("openai-agents")
    ours = Path(__file__).parents[2] / "agents"
    if foreign:
        finding = f"openai-agents {version('openai-agents')} also installs a package `agents`; ours is {ours}"
        yield warning(AREA, "agents", finding, "pip uninstall -y openai-agents, or use a separate environment")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
