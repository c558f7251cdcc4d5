"""A run on a server that wants an API key: the key stands in no file of the run, nor in what is said of it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from simulation.runner import RunStoppedError, run_scenario
from tests.integration.fleet import plan_for
from tests.support.faults import Fault
from tests.support.scripted_vllm import ScriptedVLLM

VARIABLE, KEY = "SOCIETY_TEST_KEY", "sk-planted-7f3a9c"


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("tier", ["http", "camel"])
async def test_the_key_is_in_no_file_of_the_run(
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


async def test_a_key_that_is_not_set_stops_the_run_and_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    async with ScriptedVLLM(api_key=KEY) as server:
        plan = plan_for([{"url": server.url, "api_key_env": VARIABLE}], "http", require="http")
        with pytest.raises(RunStoppedError, match=f"API key in the environment variable {VARIABLE}, which is not set"):
            await asyncio.to_thread(run_scenario, plan, out=tmp_path)
