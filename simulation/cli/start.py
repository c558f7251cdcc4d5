"""The entry point of the `society` command. First it checks that the package `agents` is ours."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).parents[2]


def foreign_agents() -> str:
    """Return the folder of another package called `agents` that Python would import, or an empty string."""
    found = find_spec("agents")
    origin = found.origin if found else None
    if origin is None or Path(origin).parent.parent == HOME:
        return ""
    return str(Path(origin).parent)


def main() -> None:
    """Run the `society` command."""
    foreign = foreign_agents()
    if foreign:
        sys.exit(
            f"society: another package called `agents` is in the way: {foreign}\n"
            "openai-agents installs one. Remove it (pip uninstall openai-agents), or install LoRA Society in a "
            "separate environment (make install)."
        )
    from simulation.cli.app import main as run

    run()
