"""A run on a server that needs an API key: the key is in no file of the run and in no message."""

from __future__ import annotations

import asyncio
import logging
import os
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from simulation.runs.runner import RunStoppedError, run_scenario
from tests.integration.fleet import plan_for
from tests.support.faults import Fault
from tests.support.quick_commands import quick_society
from tests.support.scripted_vllm import ScriptedVLLM

VARIABLE, KEY = "SOCIETY_TEST_KEY", "sk-planted-7f3a9c"


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("tier", ["http", "camel"])
async def test_api_key_is_in_no_file_of_the_run(
    tier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE, KEY)
    async with ScriptedVLLM(api_key=KEY) as server:
        server.script(Fault.SERVER_ERROR)
        plan = plan_for([{"url": server.url, "api_key_env": VARIABLE}], tier, episodes=1, require=tier)
        run = await asyncio.to_thread(run_scenario, plan, out=tmp_path)
    assert set(run.calls["status"]) == {"ok", "failed"}
    files = written(tmp_path)
    assert {"manifest.json", "events.jsonl", "oasis.db"} <= {path.name for path in files}
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert VARIABLE in (run.path / "manifest.json").read_text()
    assert KEY not in caplog.text


@pytest.mark.parametrize("tier", ["http", "camel"])
async def test_api_key_repeated_by_a_server_is_not_stored(
    tier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(VARIABLE, KEY)
    async with ScriptedVLLM(api_key=KEY, says=f"you sent {KEY}") as server:
        plan = plan_for([{"url": server.url, "api_key_env": VARIABLE}], tier, episodes=1, require=tier)
        run = await asyncio.to_thread(run_scenario, plan, out=tmp_path)
    assert set(run.messages["text"]) == {"you sent (API key)"}
    assert [path for path in written(tmp_path) if KEY.encode() in path.read_bytes()] == []
    assert KEY not in caplog.text


@pytest.mark.slow
async def test_no_command_prints_the_api_key(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commands = tmp_path_factory.mktemp("bin")
    async with ScriptedVLLM(api_key=KEY, says=f"you sent {KEY}") as server:
        scenario = f"""\
name: keyed
mode: cooperative
roster: keyed_roster.yaml
tasks: [{{task_id: t, task_type: public_goods, max_steps: 1}}]
inference:
  tiers: [http]
  endpoints: [{{url: {server.url}, api_key_env: {VARIABLE}}}]
"""
        (tmp_path / "keyed.yaml").write_text(scenario)
        rows = "[{model_id: a, model_name: cooperator}, {model_id: b, model_name: defector}]"
        (tmp_path / "keyed_roster.yaml").write_text(f"name: r\nbase_model: base\nmodels: {rows}\n")
        lines = (
            "-v run keyed.yaml",
            "--log-json run keyed.yaml",
            "doctor keyed.yaml",
            f"adapters list {server.url} --api-key-env {VARIABLE}",
            "serve keyed_roster.yaml",
            "report runs --out report.html",
            "calls runs/keyed-*",
            "quality runs/keyed-*",
        )
        environment = {**os.environ, VARIABLE: KEY, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
        script = "\n".join(f"society {line}" for line in lines)
        with quick_society(commands):
            shell = await asyncio.create_subprocess_exec(
                "bash", "-c", script, cwd=tmp_path, env=environment, stdout=PIPE, stderr=STDOUT
            )
            output = (await shell.communicate())[0]
    assert b"(API key)" in output  # the line per call of `-v` shows the reply's first words
    assert b"Traceback" not in output
    assert KEY.encode() not in output
    assert [path for path in written(tmp_path) if KEY.encode() in path.read_bytes()] == []


async def test_missing_api_key_stops_the_run_and_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    async with ScriptedVLLM(api_key=KEY) as server:
        plan = plan_for([{"url": server.url, "api_key_env": VARIABLE}], "http", require="http")
        with pytest.raises(RunStoppedError, match=f"API key in the environment variable {VARIABLE}, which is not set"):
            await asyncio.to_thread(run_scenario, plan, out=tmp_path)
