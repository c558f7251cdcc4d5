"""The page of the Python names: what the packages' roots export, and the types that these take and return."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import agents
import simulation

TEXT = """The public names. Importing them writes nothing and starts nothing.

The types of files (`ModelConfig`, `Roster`, `Scenario`, `TrainingTask`) are frozen pydantic models. A mistake raises
pydantic's `ValidationError` if you make them in Python, and `InvalidFileError` with every mistake if you read them
from a file. Every other mistake of a caller raises a `SocietyError` (`agents.problems`)."""


def page() -> str:
    """Return the page: a mkdocstrings directive per public name, with the name by which it is imported."""
    lines = ["# Python", "", TEXT, ""]
    for package in (agents, simulation):
        lines += [f"## From `{package.__name__}`", "", *_exported(package)]
    lines += ["## Other types", "", "These are not exported by the packages' roots, but the names above use them.", ""]
    for each in _beside():
        home = f"{each.__module__}.{each.__qualname__}"
        lines += _directive(home, home)
    return "\n".join(lines)


def _beside() -> Sequence[Any]:
    from agents.inference.backend import EndpointSettings, InferenceSettings
    from agents.inference.provenance import Tier
    from agents.inference.society_backend import SocietyBackend
    from simulation.runs.runner import resume_run
    from simulation.tables.run import Run

    return (Run, resume_run, InferenceSettings, EndpointSettings, Tier, SocietyBackend)


def _exported(package: ModuleType) -> Iterator[str]:
    for name in package.__all__:
        value = getattr(package, name)
        yield from _directive(f"{value.__module__}.{value.__qualname__}", f"{package.__name__}.{name}")


def _directive(home: str, shown: str) -> Iterator[str]:
    yield from (f"::: {home}", "    options:", f'      heading: "{shown}"', f'      toc_label: "{shown}"', "")
