"""Runs on servers that answer with the base model: a warning, the manifest and the report, or a stop."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.roster import ModelConfig
from simulation.answer.honesty import honesty_of
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.runs.session import RunStoppedError
from simulation.tables.run import load_run
from tests.support.in_thread import in_thread
from tests.support.odd_server import OddServer

BASE = "SmolLM2-135M-Instruct"
ROWS = tuple(ModelConfig(model_id=f"m_{name}", model_name=name, role="neutral") for name in ("ann", "bo"))
LISTED: list[dict[str, Any]] = [{"id": BASE}, {"id": "ann", "parent": BASE}, {"id": "bo", "parent": BASE}]
MakePlan = Callable[..., Plan]


def masked() -> OddServer:
    """A server that answers with the base under every name."""
    return OddServer(LISTED, lambda _model, prompt: f"the base on {len(prompt)}", obeys=["response_format"])


def plan_at(make_plan: MakePlan, server: OddServer, **inference: Any) -> Plan:
    keys = {"tiers": ["http", "simulated"], "endpoints": [server.url], **inference}
    return make_plan(rows=ROWS, mode="cooperative", episodes=1, inference=keys)


def test_a_masked_adapter_is_in_log_manifest_and_report(
    make_plan: MakePlan, runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with in_thread(masked()) as server:
        run = run_scenario(plan_at(make_plan, server), out=runs)
    says = f"adapters 'ann', 'bo' answer every prompt as the base model '{BASE}' does"
    [probe] = run.manifest["probes"].values()
    assert {name: each["by"] for name, each in probe["proved"].items()} == {"ann": "base", "bo": "base"}
    assert probe["dialect"]["constraint"] == "response_format"
    assert says in caplog.text
    assert any(says in text for text in honesty_of(run).unproved)
    assert honesty_of(replay_run(run.path, out=runs).run).unproved == honesty_of(run).unproved
    assert run.decisions["valid"].all()
    assert set(run.decisions["tier"].astype(str)) == {"http"}


@pytest.mark.parametrize("tier", ["http", "camel"])
def test_a_required_server_tier_stops_before_the_first_call(make_plan: MakePlan, runs: Path, tier: str) -> None:
    with in_thread(masked()) as server:
        plan = plan_at(make_plan, server, tiers=["camel", "http", "simulated"], require=tier)
        with pytest.raises(RunStoppedError, match="answer every prompt as the base model") as stopped:
            run_scenario(plan, out=runs)
    assert stopped.value.repeats
    assert len(load_run(stopped.value.path).calls) == 0


def test_proved_adapters_run_where_a_server_is_required(make_plan: MakePlan, runs: Path) -> None:
    with in_thread(OddServer(LISTED, obeys=["structured_outputs"])) as server:
        run = run_scenario(plan_at(make_plan, server, require="http"), out=runs)
    assert honesty_of(run).unproved == ()
    assert {name: each["by"] for name, each in run.manifest["probes"][server.url]["proved"].items()} == {
        "ann": "canary",
        "bo": "canary",
    }
    again = replay_run(run.path, out=runs)
    assert again.log_identical
    assert honesty_of(again.run).unproved == ()


def test_a_scenario_names_what_a_proxy_renames(make_plan: MakePlan, runs: Path) -> None:
    names = {"ann": "team/ann", "bo": "team/bo"}
    server = OddServer(list(names.values()), knows=names.values(), replies_as=lambda model: f"hosted/{model}")
    with in_thread(server):
        replied = {name: f"hosted/{other}" for name, other in names.items()}
        endpoint = {"url": server.url, "names": names, "reply_names": replied}
        run = run_scenario(plan_at(make_plan, server, endpoints=[endpoint], require="http"), out=runs)
    assert set(run.calls["status"].astype(str)) == {"ok"}
    assert set(run.messages["text"]) == {"I am team/ann", "I am team/bo"}
