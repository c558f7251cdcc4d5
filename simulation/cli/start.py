"""The entry point of the `society` command. First it checks that the package `agents` is ours."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).parents[2]
MARK = "agents.lora_model"
"""A module that our `agents/__init__.py` names."""


def foreign_agents() -> str:
    """Return the folder of a package called `agents` that is not ours; empty where `agents` is ours.

    A foreign one is in another place, or was installed over ours: then its `__init__.py` does not know our modules.
    """
    found = find_spec("agents")
    origin = found.origin if found else None
    if origin is None:
        return ""
    path = Path(origin)
    ours = path.parent.parent == HOME and MARK in path.read_text(encoding="utf-8", errors="replace")
    return "" if ours else str(path.parent)


def main() -> None:
    """Run the `society` command."""
    foreign = foreign_agents()
    if foreign:
        sys.exit(
            f"society: another package called `agents` is in the way: {foreign}\n"
            "openai-agents installs one. Remove it (pip uninstall openai-agents) and install LoRA Society again, or "
            "give LoRA Society an environment of its own (make install)."
        )
    from simulation.cli.app import main as run

    run()
