"""The shipped adapters on their own base, served by a real vLLM: they play as trained, and they call tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.inference.client import VLLMClient
from agents.inference.embedded.model_store import pull
from agents.inference.provenance import CallRecord, Tier
from agents.inference.vllm.serve_command import ServeOptions, serve_commands
from agents.inference.vllm.served_roster import read_served_roster
from agents.roster import Roster
from simulation.runs.runner import run_scenario
from simulation.serving.vllm_server import VLLMServer, openmp_library, own_cores
from tests.agents.inference.stock_agent import step_stock_agents
from tests.integration.vllm.install import vllm_command
from tests.integration.vllm.servers import STARTUP, free_ports

pytestmark = pytest.mark.vllm

# otherwise a small model fills JSON with blanks
TIGHT_JSON = ("--structured-outputs-config", '{"backend": "xgrammar", "disable_any_whitespace": true}')


@pytest.fixture(scope="module")
def server(vllm_logs: Path) -> Iterator[VLLMServer]:
    """Yield the server that `society serve first_contact --cpu` starts."""
    vllm = str(vllm_command())
    served = read_served_roster(Roster.load("first_contact"), base=str(pull()))
    options = ServeOptions(
        vllm=vllm, cpu=True, openmp=openmp_library(vllm), cores=own_cores(), extra=TIGHT_JSON, port=free_ports()
    )
    [command] = serve_commands(served, options)
    with VLLMServer(command, vllm_logs / "shipped.log") as server:
        server.wait_ready(STARTUP)
        yield server


async def test_stock_social_agent_acts_by_a_tool_call(server: VLLMServer, tmp_path: Path) -> None:
    records: list[CallRecord] = []
    config = {"tool_choice": "required", "max_tokens": 200, "temperature": 0}
    async with VLLMClient(server.url, on_call=records.append) as client:
        trace = await step_stock_agents(client, ("cooperator", "defector"), tmp_path, config)
    acted = [(user, action) for user, action, _ in trace if action in ("create_post", "do_nothing")]
    assert sorted(user for user, _ in acted) == [0, 1]
    assert {(record.tier, record.adapter) for record in records} == {
        (Tier.CAMEL, "cooperator"),
        (Tier.CAMEL, "defector"),
    }


def test_shipped_adapters_post_and_play_as_trained(server: VLLMServer, tmp_path: Path) -> None:
    options = {"tier": Tier.HTTP, "endpoints": (server.url,)}
    run = run_scenario("social_network", **options, out=tmp_path, set={"tasks.0.max_steps": "2"})
    acts = run.acts
    assert len(acts) == 8
    assert set(acts["tier"]) == {"http"}
    legal = acts[acts["action"].notna()]
    assert len(legal) >= 4  # a small model's call may be illegal: then it is invalid, and counted
    assert {type(json.loads(arguments)) for arguments in legal["arguments"]} == {dict}
    assert legal["success"].any()
    played = run.decisions.set_index("model_id")["action"]
    assert set(played["ada"]) == {"20"}  # the cooperator, on the base it was trained on
    assert set(played["ben"]) == {"0"}  # the defector
