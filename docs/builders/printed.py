"""What commands print on pages: each such block is written by a command, not by hand.

A page says above a block which commands print it: `<!-- printed by: society demo -->`. The commands of a page run in
one empty folder, in order. `python -m docs.builders.printed` writes the blocks of all pages.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "README.zh.md", ROOT / "docs" / "tutorial.md")
BLOCK = re.compile(r"<!-- printed by: (.+?) -->\n```(\w*)\n(.*?)```", flags=re.DOTALL)


def commands(page: str) -> Iterator[str]:
    """Yield the commands that print a page's blocks, in order."""
    return (found[1] for found in BLOCK.finditer(page))


def printed(page: str) -> str:
    """Return the page with what its commands print now."""
    with TemporaryDirectory(prefix="society-") as folder:
        return BLOCK.sub(lambda found: _block(found[1], found[2], Path(folder)), page)


def _block(command: str, language: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lines = [line.rstrip() for line in (done.stdout or done.stderr).strip("\n").splitlines()]
    text = "\n".join(lines)
    return f"<!-- printed by: {command} -->\n```{language}\n{text}\n```"


if __name__ == "__main__":
    for each in PAGES:
        before = each.read_text(encoding="utf-8")
        each.write_text(printed(before), encoding="utf-8")
