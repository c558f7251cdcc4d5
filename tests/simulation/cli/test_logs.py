"""What the command writes to stderr: lines for a person, or JSON for a program."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console

from simulation.cli import logs
from simulation.tables.columns import TABLES, TableName
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.in_thread import in_thread
from tests.support.replies import completion
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

RUN = ("run", "first_contact", "--tier", "simulated", "--episodes", "1")
ATTACK = "\x1b]0;owned\x07\x1b[2J\u202eI cooperate"


def logged(err: str) -> list[dict[str, Any]]:
    """Return every line of stderr as a JSON object."""
    return [json.loads(line) for line in err.splitlines()]


def test_verbose_logs_one_line_per_call(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, "-v", *RUN, "--json")
    assert code == 0
    mix = json.loads(out)["tier_mix"]
    calls = [line for line in err.splitlines() if line.startswith("INFO     simulated ")]
    assert len(calls) == mix["simulated"]
    assert "episode 1/1" in err


def test_log_json_lines_have_the_columns_of_calls(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, "--log-json", *RUN, "--json")
    assert code == 0
    records = logged(err)
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
    age = datetime.now(timezone.utc) - datetime.fromisoformat(records[-1]["time"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    calls = [record["call"] for record in records if "call" in record]
    assert len(calls) == json.loads(out)["tier_mix"]["simulated"]
    columns = {column.name for column in TABLES[TableName.CALLS]} - {"synthetic"}
    assert all(set(call) == columns | {"first_words"} for call in calls)
    assert all(call["first_words"] for call in calls)


def test_log_json_includes_what_libraries_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Console(stderr=True), verbose=False, as_json=True)
    logging.getLogger("some.library").warning("it is %s", "late")
    logs.set_up(Console(stderr=True), verbose=False, as_json=False)
    logging.getLogger("some.library").warning("not logged twice")
    records = logged(capsys.readouterr().err)
    assert [(record["logger"], record["message"]) for record in records] == [("some.library", "it is late")]


def test_log_json_includes_errors(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "--log-json", "run", "no_such_scenario")
    assert code == 2
    record = logged(err)[-1]
    assert record["level"] == "ERROR"
    assert "no_such_scenario" in record["message"]


async def attack(request: web.Request) -> web.StreamResponse:
    """Answer as a model that sends control characters and keeps playing."""
    body = await request.json()
    choices = body.get("structured_outputs", {}).get("choice")
    return web.json_response(completion(choices[0] if choices else ATTACK, body["model"]))


@pytest.mark.parametrize("option", ["-v", "--log-json"])
def test_log_escapes_control_characters_of_replies(capsys: pytest.CaptureFixture[str], option: str) -> None:
    names = ("cooperator", "defector", "reciprocator")
    with in_thread(ScriptedVLLM(names, "SmolLM2-135M-Instruct")) as server:
        server.mishaps.extend([attack] * 500)
        code, out, err = society(capsys, option, *RUN, "--tier", "http", "--endpoint", server.url)
    assert code == 0
    assert r"\x1b]0;owned\x07\x1b[2J\u202eI cooperate" in err.replace("\\\\", "\\")
    assert not {"\x1b", "\x07", "\u202e"} & set(out + err)
