"""A roster's adapters on all of a scenario's servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from agents.inference.adapter_folder import read_adapter_folder
from agents.inference.backend import EndpointSettings
from agents.inference.vllm.residency import Residency, load_everywhere
from agents.roster import ModelConfig
from simulation.cli.app import app
from tests.support.adapters import write_adapter
from tests.support.scripted_process import scripted_process
from tests.support.scripted_vllm import ScriptedVLLM

ROWS = (ModelConfig(model_id="x", model_name="a"), ModelConfig(model_id="y", model_name="b"))


@pytest.fixture
async def pair() -> AsyncIterator[tuple[ScriptedVLLM, ScriptedVLLM]]:
    async with ScriptedVLLM(()) as left, ScriptedVLLM(()) as right:
        yield left, right


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: write_adapter(tmp_path / name) for name in ("a", "b")}


async def load(
    folders: dict[str, Path], *endpoints: EndpointSettings, rows: tuple[ModelConfig, ...] = ROWS
) -> list[Residency]:
    adapters = [read_adapter_folder(path, name) for name, path in folders.items()]
    return await load_everywhere(adapters, rows, endpoints)


Pair = tuple[ScriptedVLLM, ScriptedVLLM]


async def test_every_server_gets_every_adapter_once(pair: Pair, folders: dict[str, Path]) -> None:
    endpoints = [EndpointSettings(each.url) for each in pair]
    assert [each.loaded for each in await load(folders, *endpoints)] == [True] * 4
    assert [each.adapters for each in pair] == [["a", "b"]] * 2
    assert [str(each).rpartition(": ")[2] for each in await load(folders, *endpoints)] == ["was served already"] * 4
    assert [each.loads for each in pair] == [["a", "b"]] * 2


async def test_a_server_gets_only_what_it_may_be_asked_for(pair: Pair, folders: dict[str, Path]) -> None:
    rows = (ROWS[0], ROWS[1].model_copy(update={"endpoint": pair[1].url}))
    await load(folders, EndpointSettings(pair[0].url), rows=rows)
    assert [each.adapters for each in pair] == [["a"], ["b"]]


async def test_a_list_of_adapters_is_honoured(pair: Pair, folders: dict[str, Path]) -> None:
    await load(folders, EndpointSettings(pair[0].url, adapters=("b",)), EndpointSettings(pair[1].url))
    assert [each.adapters for each in pair] == [["b"], ["a", "b"]]


async def test_another_folder_under_the_name_is_a_problem(pair: Pair, folders: dict[str, Path], tmp_path: Path) -> None:
    await load(folders, EndpointSettings(pair[0].url))
    other = {**folders, "a": write_adapter(tmp_path / "new" / "a", weights=b"other")}
    found = await load(other, EndpointSettings(pair[0].url))
    assert [bool(each.problem) for each in found] == [True, False]
    assert f"is served from {folders['a']}, not from {other['a']}" in found[0].problem


async def test_a_refusal_and_a_silent_server_leave_the_others_alone(pair: Pair, folders: dict[str, Path]) -> None:
    pair[0].max_lora_rank = 4
    await pair[1].stop()
    found = await load(folders, EndpointSettings(pair[0].url), EndpointSettings(pair[1].url))
    assert len(found) == 4
    assert "--max-lora-rank 8" in found[0].problem
    assert "nothing answers" in found[2].problem


def test_load_all_of_a_scenario(tmp_path: Path, folders: dict[str, Path]) -> None:
    models = [
        {"model_id": name, "model_name": name, "role": "leader", "adapter": str(folders[name])} for name in folders
    ]
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"name": "r", "base_model": "base", "models": models}))
    task = {"task_id": "t", "task_type": "prisoners_dilemma", "required_models": 2}
    with scripted_process((), "--base", "base") as server:
        scenario = {"name": "s", "mode": "competitive", "roster": "r.yaml", "tasks": [task]}
        scenario["inference"] = {"endpoints": [server.url, "http://127.0.0.1:9/v1"]}
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(scenario))
        ended = CliRunner().invoke(app, ["adapters", "load", "--all", str(tmp_path / "s.yaml")])
    assert ended.exit_code == 1
    assert f"{server.url}: a: loaded" in ended.stdout
    assert "http://127.0.0.1:9/v1: b: nothing answers" in ended.output
