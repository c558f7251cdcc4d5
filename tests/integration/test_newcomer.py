"""The newcomer's first commands: `docs/newcomer.sh`, from an installed clone to a report of one's own roster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.report.test_report import unpacked

ROOT = Path(__file__).parent.parent.parent
MOST_COMMANDS = 5


@pytest.mark.slow
def test_newcomer_script_ends_with_a_report(tmp_path: Path) -> None:
    society = str(Path(sys.executable).with_name("society"))
    done = subprocess.run(
        ["sh", str(ROOT / "docs" / "newcomer.sh"), str(tmp_path)],
        env={**os.environ, "SOCIETY": society, "TIER": "simulated"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    typed = [line for line in done.stdout.splitlines() if line.startswith("$ society ")]
    assert typed[-1].startswith("$ society report")
    assert len(typed) <= MOST_COMMANDS
    assert len(re.findall(r"^  \d+\.\d s$", done.stdout, re.MULTILINE)) == len(typed)
    summary = unpacked((tmp_path / "report.html").read_text(encoding="utf-8"), "summary")
    assert "reciprocator" in {row["name"] for row in summary["runs"][0]["standings"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "play.yaml", "report.html", "runs"]
