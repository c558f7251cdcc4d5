"""A run's manifest names the weights that answered, and a run is not resumed with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import Event, StepResolved
from simulation.tables.run import read_manifest
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import VERSION, ScriptedVLLM

ROWS = tuple(ModelConfig(model_id=f"m{i}", model_name="ada", team_id=("red", "blue")[i]) for i in range(2))


def cut(event: Event) -> None:
    if isinstance(event, StepResolved):
        raise KeyboardInterrupt


def test_manifest_names_what_servers_say_of_adapters(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM(("ada",))) as server:
        keys = {"tiers": ["http"], "endpoints": [server.url]}
        run = run_scenario(make_plan(rows=ROWS, inference=keys), out=runs)
    assert run.manifest["weights"] == {"ada": {"servers": {server.url: {"base": server.base, "root": "/a/ada"}}}}
    assert run.manifest["servers"] == {server.url: VERSION}
    assert {"numpy", "networkx"} <= run.manifest["versions"].keys()


def test_resume_refuses_other_weights(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM(("ada",))) as server:
        plan = make_plan(rows=ROWS, inference={"tiers": ["http"], "endpoints": [server.url]})
        with pytest.raises(RunStoppedError) as stopped:
            run_scenario(plan, out=runs, on_event=cut)
        asked = len(server.bodies)
        server.roots["ada"] = "/a/ada-trained-on"
        with pytest.raises(
            RunStoppedError, match=r"adapter 'ada': its root at \S+ was /a/ada and is /a/ada-trained-on"
        ):
            resume_run(stopped.value.path)
        assert len(server.bodies) == asked
        server.roots["ada"] = "/a/ada"
        assert resume_run(stopped.value.path).manifest["status"] == "finished"
    assert read_manifest(stopped.value.path)["weights"]["ada"]["servers"][server.url]["root"] == "/a/ada"
