"""The everyday tasks of docs/tasks.md: each is one command or three lines of Python, and does what its heading says."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from simulation.tables.run import Run, load_run
from simulation.tables.runs import load_runs
from tests.support.forks import in_child, society
from tests.support.scripted_process import scripted_process

PAGE = (Path(__file__).parent.parent / "docs" / "tasks.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", flags=re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"```(\w+)\n(.*?)```", flags=re.DOTALL)
BIN = Path(sys.executable).parent
SHELL = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
ADAPTERS = ("cooperator", "defector", "reciprocator")


class Task(NamedTuple):
    """A task of the page: its heading, the language of its first block, and that block."""

    title: str
    language: str
    code: str


TASKS = [Task(title, *FENCE.findall(text)[0]) for title, text in SECTION.findall(PAGE)]


def test_each_task_is_one_command_or_three_lines() -> None:
    assert len(TASKS) == 12
    for task in TASKS:
        lines = task.code.strip().splitlines()
        if task.language == "bash":
            assert len(lines) == 1, task.title
        else:
            body = [each for each in ast.parse(task.code).body if not isinstance(each, (ast.Import, ast.ImportFrom))]
            assert len(body) <= 3, task.title
            assert max(map(len, lines)) <= 110, task.title


def command(text: str) -> str:
    """Run a command of the page: in this process, or in one of its own where it sets environment variables."""
    words = shlex.split(text)
    if words[0] != "society":
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, env=SHELL, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
    said = society(*words[1:])
    assert said.code == 0, said.text
    return said.text


def newest() -> Run:
    return load_run(max(Path("runs").glob("*/manifest.json"), key=lambda path: path.stat().st_mtime).parent)


def seeds_have_intervals(printed: str) -> None:
    assert re.search(r"ada +│ simulated leader .*\[\d+\.\d+, \d+\.\d+\] .* 20 ", printed)


def rosters_are_compared(printed: str) -> None:
    for roster, player in (("first_contact", "ada"), ("competitors", "hawk")):
        assert re.search(rf"│ {roster} +│ {player} +│ .* 6 │", printed)


def messages_are_in_a_file(_printed: str) -> None:
    runs = load_runs("runs")
    assert list(pd.read_csv("tables/messages.csv")["text"]) == list(runs.messages["text"])


def prompt_is_shown(printed: str) -> None:
    assert "=== episode 1, step 3, ada, decide ===" in printed
    assert "Step 3 of " in printed


def adapter_is_replaced(_printed: str) -> None:
    assert dict(zip(newest().agents["model_id"], newest().agents["model_name"], strict=True))["ada"] == "defector"


def models_talk_three_times(_printed: str) -> None:
    assert set(newest().messages["talk_round"]) == {0, 1, 2}


def persona_is_in_the_prompt(_printed: str) -> None:
    assert newest().prompts.query("model_id == 'ada'")["user"].str.contains("never broken a promise").all()


def prompt_has_own_words(_printed: str) -> None:
    assert newest().prompts.query("purpose == 'decide'")["user"].str.contains("Think of what the others need").all()


def two_servers_were_asked(_printed: str) -> None:
    assert newest().calls["endpoint"].nunique() == 2


def newest_run_comes_first(printed: str) -> None:
    begun = {run.path.name: str(run.manifest["started"]) for run in load_runs("runs")}
    first = re.search(r"first_contact-\d{8}-\d{6}-\w+", printed)
    assert first is not None
    assert begun[first[0]] == max(started for name, started in begun.items() if name in printed)


def picture_is_a_page(_printed: str) -> None:
    assert Path("payoffs.html").read_text(encoding="utf-8").startswith("<html>")


def own_game_was_played(_printed: str) -> None:
    assert set(newest().outcomes["task_type"]) == {"meeting"}


CHECKS: dict[str, Callable[[str], None]] = {
    "Play 20 seeds: mean and interval": seeds_have_intervals,
    "Compare two rosters": rosters_are_compared,
    "Write all messages to CSV": messages_are_in_a_file,
    "See the exact prompt of a model in a step": prompt_is_shown,
    "Replace one adapter and run again": adapter_is_replaced,
    "Let models talk three times in a step": models_talk_three_times,
    "Give a model a persona": persona_is_in_the_prompt,
    "Change the words of a prompt": prompt_has_own_words,
    "Use two servers": two_servers_were_asked,
    "List runs, and open one": newest_run_comes_first,
    "Plot payoffs by adapter": picture_is_a_page,
    "Play a game of your own": own_game_was_played,
}


@pytest.mark.slow
def test_tasks_do_what_their_headings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("games").mkdir()
    Path("games/meeting.py").write_text(FENCE.findall(PAGE)[-1][1], encoding="utf-8")
    with (
        scripted_process(ADAPTERS, "--base", "SmolLM2-135M-Instruct") as first,
        scripted_process(ADAPTERS, "--base", "SmolLM2-135M-Instruct") as second,
    ):
        servers = {"http://localhost:8001/v1": first.url, "http://localhost:8002/v1": second.url}
        in_child(lambda: command("society run first_contact --tier simulated"))
        for task in TASKS:
            code = task.code.strip()
            for shown, real in servers.items():
                code = code.replace(shown, real)

            def work(task: Task = task, code: str = code) -> str:
                printed = ""
                if task.language == "bash":
                    printed = command(code)
                else:
                    exec(compile(code, task.title, "exec"), {"__name__": "__main__"})
                CHECKS[task.title](printed)
                return printed

            in_child(work)
    assert len(load_runs("runs")) > 30
