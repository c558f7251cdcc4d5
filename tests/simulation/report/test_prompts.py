"""Prompts computed from a run's events are those that its models got."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.inference.provenance import CallKey, ChatMessage, Request
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.report.details import prompts_of
from simulation.report.prompts import prompts_from_events
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.store.events import EventLog
from simulation.tables.run import Run, load_run
from tests.conftest import models

GOODS = {"task_id": "goods", "task_type": "public_goods", "max_steps": 3}
DILEMMA = {"task_id": "pair", "task_type": "prisoners_dilemma", "max_steps": 3}
TALKS: Mapping[str, Mapping[str, Any]] = {
    "one round": {},
    "three rounds on a ring": {"topology": "ring", "talk_rounds": 3},
    "a small inbox": {"inbox_limit": 1, "talk_rounds": 2},
    "a budget that runs out": {"message_budget": 2},
    "silence": {"talk_rounds": 0},
}


def replayed(run: Run, folder: Path) -> dict[CallKey, tuple[ChatMessage, ...]]:
    asked: dict[CallKey, tuple[ChatMessage, ...]] = {}

    def see(request: Request) -> None:
        asked[request.key] = request.messages

    replay_run(run.path, out=folder, on_request=see)
    return asked


@pytest.mark.parametrize("talk", TALKS.values(), ids=list(TALKS))
def test_every_prompt_equals_that_of_a_replay(
    make_plan: Callable[..., Plan], runs: Path, tmp_path: Path, talk: Mapping[str, Any]
) -> None:
    plan = make_plan(mode="mixed", episodes=2, tasks=[GOODS, DILEMMA], communication=dict(talk))
    run = run_scenario(plan, out=runs)
    assert prompts_from_events(run) == replayed(run, tmp_path / "replays")


def test_scripted_players_have_no_prompts(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = (*models(2), ModelConfig(model_id="mirror", policy="tit_for_tat", team_id="red"))
    run = run_scenario(make_plan(rows=rows), out=runs)
    assert {key.model_id for key in prompts_from_events(run)} == {"m0", "m1"}


def test_prompts_missing_in_events_come_from_a_replay(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(mode="cooperative", communication={"treatment": "shuffled"}), out=runs)
    assert len(prompts_from_events(run)) < len(run.calls)
    assert len(prompts_of(run).by_call) == len(run.calls)


def test_prompt_with_another_hash_is_not_shown(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(mode="cooperative", episodes=1), out=runs)
    log = run.path / EventLog.NAME
    before, spoken, after = log.read_text().partition('{"type":"MessageSent"')
    line, end, rest = after.partition("\n")
    text = str(run.messages["text"].iloc[0])
    assert text in line
    log.write_text(before + spoken + line.replace(text, "I never said this.") + end + rest)
    for table in (run.path / "tables").iterdir():
        table.unlink()
    prompts = prompts_from_events(load_run(run.path))
    assert prompts
    assert not any("I never said this." in message.content for prompt in prompts.values() for message in prompt)
