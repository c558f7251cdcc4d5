"""A scenario with `thinking: on` and `off` on a real vLLM whose chat template opens a thought.

The tiny model's weights are random, so it never closes its thought: what it writes up to the budget is all thought, and
no message.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.roster import ModelConfig, Roster
from simulation.metrics.replies import reply_shares
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.scenario import Scenario
from simulation.serving.vllm_server import VLLMServer
from simulation.tables.run import Run
from tests.integration.vllm.servers import BASE
from tests.integration.vllm.tiny_model import TinyModel

pytestmark = pytest.mark.vllm

MAX_TOKENS, BUDGET = 8, 16


def played(server: VLLMServer, tiny: TinyModel, out: Path, tier: str, **settings: Any) -> Run:
    rows = tuple(ModelConfig(model_id=f"m_{name}", model_name=name) for name in tiny.names[:2])
    task = {"task_id": "duel", "task_type": "prisoners_dilemma", "max_steps": 2, "required_models": 2}
    inference = {"endpoints": [server.url], "tiers": [tier], "max_tokens": MAX_TOKENS, "temperature": 2, **settings}
    data = {"name": "thinks", "mode": "cooperative", "roster": "tiny", "seed": 5, "tasks": [task]}
    scenario = Scenario.model_validate({**data, "inference": inference})
    return run_scenario(Plan(scenario, Roster(name="tiny", base_model=BASE, models=rows)), out=out)


def assert_decided(run: Run) -> None:
    """Check that every decision is a model's and was read from a constrained reply."""
    assert set(run.decisions["reading"]) == {"constrained"}
    assert run.decisions["valid"].all()
    assert run.outcomes["real_share"].eq(1).all()


@pytest.mark.parametrize("tier", ["http", "camel"])
def test_thinking_on_keeps_thoughts_out_of_messages(
    vllm_server: VLLMServer, tiny: TinyModel, tmp_path: Path, tier: str
) -> None:
    run = played(vllm_server, tiny, tmp_path, tier, thinking={"budget": BUDGET})
    assert_decided(run)
    cut = run.calls[(run.calls["purpose"] != "decide") & (run.calls["finish_reason"] == "length")]
    assert set(cut["completion_tokens"]) == {MAX_TOKENS + BUDGET}
    assert cut["empty"].all()
    thoughts = [thought for rows in (run.messages, run.decisions) for thought in rows["reasoning"] if thought]
    assert len(thoughts) == len(cut) >= 4
    for thought in thoughts:
        assert not any(thought in text for text in run.messages["text"])
        assert not any(thought in prompt for prompt in run.prompts[run.prompts["purpose"] != "decide"]["user"])
    assert "within the thought" in {each.name: each for each in reply_shares(run)}["empty"].cause
    assert replay_run(run.path, out=tmp_path / "again").tables_identical


def test_thinking_off_asks_for_no_thought(vllm_server: VLLMServer, tiny: TinyModel, tmp_path: Path) -> None:
    run = played(vllm_server, tiny, tmp_path, "http", thinking="off")
    assert_decided(run)
    assert set(run.messages["reasoning"]) == set(run.decisions["reasoning"]) == {""}
    assert any(run.messages["text"])
    assert run.calls["completion_tokens"].max() <= MAX_TOKENS


def test_a_reasoned_decision_comes_after_a_note(vllm_server: VLLMServer, tiny: TinyModel, tmp_path: Path) -> None:
    run = played(vllm_server, tiny, tmp_path, "http", decide="reasoned")
    assert_decided(run)
    decided = run.prompts[run.prompts["purpose"] == "decide"]["user"]
    noted = sum(bool(note) for note in run.decisions["note"])
    assert noted == sum("Your private note: " in prompt for prompt in decided) >= 2
