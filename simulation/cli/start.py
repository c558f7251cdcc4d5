"""Where the `society` command starts: before anything else, is `agents` ours?"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

HOME = Path(__file__).parents[2]


def foreign_agents() -> str:
    """Where a package called `agents` that is not ours would be imported from; empty when it is ours."""
    found = find_spec("agents")
    origin = found.origin if found else None
    if origin is None or Path(origin).parent.parent == HOME:
        return ""
    return str(Path(origin).parent)


def main() -> None:
    """The `society` command."""
    foreign = foreign_agents()
    if foreign:
        sys.exit(
            f"society: another package called `agents` is in the way: {foreign}\n"
            "openai-agents installs one. Remove it (pip uninstall openai-agents) or give LoRA Society an "
            "environment of its own (make install)."
        )
    from simulation.cli.app import main as run

    run()
