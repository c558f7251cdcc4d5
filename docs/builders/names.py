"""The page of the Python names: what the packages' roots export, and the types these take and give."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import agents
import simulation
from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.provenance import Tier
from agents.inference.society_backend import SocietyBackend
from simulation.outcomes import Run
from simulation.runner import RunOptions, resume_run

BESIDE = (Run, RunOptions, resume_run, InferenceSettings, EndpointSettings, Tier, SocietyBackend)
"""Not at the packages' roots, but taken or given by what is."""


def page() -> str:
    """mkdocstrings' directives, one per public name, under the name it is imported by."""
    lines = ["# Python", "", "The public names. Importing them writes nothing and starts nothing.", ""]
    for package in (agents, simulation):
        lines += [f"## From `{package.__name__}`", "", *_exported(package)]
    lines += ["## Beside them", ""]
    for each in BESIDE:
        lines += [*_directive(f"{each.__module__}.{each.__qualname__}", f"{each.__module__}.{each.__qualname__}")]
    return "\n".join(lines)


def _exported(package: ModuleType) -> Iterator[str]:
    for name in package.__all__:
        value = getattr(package, name)
        yield from _directive(f"{value.__module__}.{value.__qualname__}", f"{package.__name__}.{name}")


def _directive(home: str, shown: str) -> Iterator[str]:
    yield from (f"::: {home}", "    options:", f'      heading: "{shown}"', f'      toc_label: "{shown}"', "")
