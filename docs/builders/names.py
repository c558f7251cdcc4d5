"""The page of the Python names: what the packages' roots export, and the types that these take and return."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import agents
import simulation

TEXT = """The public names. Importing them writes nothing and starts nothing.

The types of files (`ModelConfig`, `Roster`, `Scenario`, `TrainingTask`) are frozen pydantic models. A mistake raises
pydantic's `ValidationError` if you make them in Python, and `InvalidFileError` with every mistake if you read them
from a file. Every other mistake of a caller raises a `SocietyError`."""


def page() -> str:
    """Return the page: a mkdocstrings directive per public name, with the name by which it is imported."""
    lines = ["# Python", "", TEXT, ""]
    for package in (agents, simulation):
        lines += [f"## From `{package.__name__}`", "", *_exported(package)]
    return "\n".join(lines)


def _exported(package: ModuleType) -> Iterator[str]:
    for name in package.__all__:
        value = getattr(package, name)
        home = f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else package._HOMES[name]
        yield from _directive(
            home if hasattr(value, "__qualname__") else f"{home}.{name}", f"{package.__name__}.{name}"
        )


def _directive(home: str, shown: str) -> Iterator[str]:
    yield from (f"::: {home}", "    options:", f'      heading: "{shown}"', f'      toc_label: "{shown}"', "")
