"""OASIS's own quick start, as the documentation shows it, on the embedded model."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "howto" / "oasis.md"
OFFERED = {"create_post", "like_post", "create_comment", "do_nothing"}


@pytest.mark.embedded
def test_plain_oasis_program_runs_on_the_embedded_model(tmp_path: Path) -> None:
    program = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)[0]
    assert "Tier.SIMULATED" in program
    program = program.replace("Tier.SIMULATED", "Tier.EMBEDDED")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, capture_output=True)
    rows = sqlite3.connect(tmp_path / "plain.db").execute("SELECT user_id, action, info FROM trace ORDER BY rowid")
    trace = [(user, action, json.loads(info)) for user, action, info in rows]
    acts = {user: action for user, action, _ in trace if action in OFFERED}
    assert set(acts) == {0, 1, 2}  # every agent acted: by the model, as OASIS carried it out
    answer = next(info["response"] for _, action, info in trace if action == "interview")
    assert answer
    assert "simulated" not in answer
