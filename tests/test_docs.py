"""What the README and the pages of docs/ show is run, in a folder of its own, block after block."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.plan import Plan

ROOT = Path(__file__).parent.parent
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in FILES)
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES, flags=re.DOTALL)


def run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("bash"))
def test_the_commands_shown_work(block: str, tmp_path: Path) -> None:
    run(["bash", "-euo", "pipefail", "-c", block], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_shown_works(block: str, tmp_path: Path) -> None:
    run([sys.executable, "-c", block], tmp_path)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_scenario_shown_is_valid(block: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(block)
    assert Plan.load(tmp_path / "shown.yaml").scenario.name == "my_scenario"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_named_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    named = re.findall(r"`((?:scenarios|notebooks|agents|simulation|training|docs|benchmarks)/[\w./]*)`", text)
    assert not [name for name in named if not (ROOT / name).exists()]
    linked = re.findall(r"\]\(((?!http)[^)]+)\)", text)
    assert not [name for name in linked if not (file.parent / name).exists()]
