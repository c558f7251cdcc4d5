"""Output never fails finished work: narrow character sets, closed pipes, full disks, narrow terminals."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from simulation.monitor.fitted_table import FittedTable
from tests.test_docs import ROOT

SCENE = """name: 合作_1
mode: cooperative
roster: "名单 🧪.yaml"
language: zh
tasks: [{task_id: 公共物品, task_type: public_goods, max_steps: 1}]
"""
PEOPLE = """name: 名单
base_model: b
models:
  - {model_id: 张伟, model_name: cooperator, persona: "喜欢 🐼"}
  - {model_id: 李娜, model_name: defector}
"""


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    (tmp_path / "scene.yaml").write_text(SCENE, encoding="utf-8")
    (tmp_path / "名单 🧪.yaml").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


def run(folder: Path, redirection: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = f"{sys.executable} -m simulation.cli.app run scene.yaml --tier simulated {redirection}"
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("charset", ["ascii", "gbk", "utf-8"])
def test_a_narrow_charset_prints_escapes(scene: Path, charset: str) -> None:
    done = run(scene, PYTHONIOENCODING=charset)
    assert done.returncode == 0, done.stderr
    [folder] = (scene / "runs").iterdir()
    expected = f"runs/{folder.name}".encode(charset, "backslashreplace")
    assert done.stdout.splitlines()[-1].decode(charset) == expected.decode(charset)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        ("| head -c 1; exit ${PIPESTATUS[0]}", 0, ""),
        (">&-", 0, "its last line: runs/"),
        ("> /dev/full", 0, "the output cannot be written: No space left on device; its last line: runs/"),
        ("2>&-", 0, ""),
        ("2>&1 | true; exit ${PIPESTATUS[0]}", 0, ""),
    ],
)
def test_a_gone_output_fails_no_run(scene: Path, redirection: str, code: int, said: str) -> None:
    done = run(scene, redirection)
    assert done.returncode == code, done.stderr
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    [folder] = (scene / "runs").iterdir()
    assert b'"status": "finished"' in (folder / "manifest.json").read_bytes()


def shown(width: int, **options: bool) -> str:
    table = FittedTable(title="t", caption="c")
    for head in ("model", "tier", "accuracy", "efficiency", "payoff"):
        table.add_column(head, no_wrap=head not in ("model", "tier"), overflow="fold")
    table.add_row("harbour_pilot_1", "simulated", "0.500", "0.500", "12.000")
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize("width", [20, 30, 40, 50, 60, 80, 200])
def test_the_first_column_shrinks_last_and_what_is_hidden_is_named(width: int) -> None:
    text = shown(width)
    assert max(map(len, text.splitlines())) <= width
    joined = "".join(part.strip("│┃ ") for line in text.splitlines() for part in line.split("│")[1:2])
    assert "harbour_pilot_1" in joined
    caption = " ".join(text.split())
    for head in ("model", "tier", "accuracy", "efficiency", "payoff"):
        assert head in caption, head
    assert ("Not shown" in caption) == (width < 62)
