"""A judge: another model's grades, paid for once, stored with their provenance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agents.inference.errors import FloorReachedError, UnknownAdapterError
from agents.inference.provenance import Tier
from agents.problems import SocietyError, UsageError
from simulation.plan import Plan
from simulation.quality import find_scorer
from simulation.quality.judge import FILE, LOCK
from simulation.quality.scorer import Judge, Mark, Material
from simulation.runs.runner import run_scenario
from simulation.store.events import CallMade
from simulation.store.log import read_events
from simulation.tables.run import Run
from tests.support.faults import status
from tests.support.in_thread import in_thread
from tests.support.replies import completion
from tests.support.scripted_vllm import ScriptedVLLM


@pytest.fixture
def server() -> Iterator[ScriptedVLLM]:
    with in_thread(ScriptedVLLM(("critic", "cooperator"))) as running:
        yield running


@pytest.fixture
def run(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(make_plan(language="zh"), out=runs)


def graded(run: Run, server: ScriptedVLLM, adapter: str = "critic") -> list[Mark]:
    return list(find_scorer("judge").score(Material(run, Judge(adapter, (server.url,)))))


def values(marks: list[Mark], measure: str) -> list[float]:
    return [mark.value for mark in marks if mark.measure.name == measure]


def test_every_message_is_graded_on_the_scale(run: Run, server: ScriptedVLLM) -> None:
    marks = graded(run, server)
    assert values(marks, "grade") == [1.0] * len(run.messages)  # the server takes the first choice
    assert values(marks, "graded") == [1.0] * len(run.messages)
    assert {mark.judge for mark in marks} == {"critic (http)"}
    assert {mark.tier for mark in marks} == {"simulated"}  # the judged texts' tier, not the judge's


def test_judge_prompt_is_the_rubric_in_the_runs_language(run: Run, server: ScriptedVLLM) -> None:
    graded(run, server)
    bodies = server.bodies
    asked = {body["messages"][1]["content"] for body in bodies}
    assert len(asked) == len(bodies) <= len(run.messages)  # equal requests are sent once
    for body in bodies:
        assert body["model"] == "critic"
        assert body["temperature"] == 0
        assert body["structured_outputs"] == {"choice": ["1", "2", "3", "4", "5"]}
        assert "你为一个游戏中各玩家相互发送的消息评分" in body["messages"][0]["content"]
    for text in run.messages["text"]:
        assert any(text in content for content in asked)


def test_grades_on_record_are_not_requested_again(run: Run, server: ScriptedVLLM) -> None:
    first = graded(run, server)
    asked = len(server.bodies)
    assert graded(run, server) == first
    assert len(server.bodies) == asked
    graded(run, server, "cooperator")  # another judge grades on its own
    assert len(server.bodies) == 2 * asked
    assert graded(run, server) == first


def test_every_grade_has_its_provenance(run: Run, server: ScriptedVLLM) -> None:
    graded(run, server)
    records = [event.record for event in read_events(run.path / FILE) if isinstance(event, CallMade)]
    assert len(records) == len(server.bodies)
    for record in records:
        assert record.reply is not None
        source = record.reply.provenance
        assert (source.tier, source.adapter, source.endpoint) == (Tier.HTTP, "critic", server.url)
        assert record.key.model_id in set(run.messages["sender"])
    assert len(run.calls) == len(run.messages) + len(run.decisions)  # the run's own calls stay separate


def mumble(text: str, until: float) -> Callable[[web.Request], Any]:
    """Answer `text` to a greedy request, and a grade to one with a temperature above `until`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        return web.json_response(completion(text if body["temperature"] <= until else " 4. ", body["model"]))

    return answer


def test_answer_outside_the_scale_is_requested_again(run: Run, server: ScriptedVLLM) -> None:
    server.mishaps.extend([mumble("I would say a 7", 0.0)] * 500)
    marks = graded(run, server)
    assert set(values(marks, "grade")) == {4.0}
    assert set(values(marks, "graded")) == {1.0}


def test_second_answer_without_grade_counts_as_none(run: Run, server: ScriptedVLLM) -> None:
    server.mishaps.extend([mumble("I would say a 7", 1.0)] * 500)
    marks = graded(run, server)
    assert values(marks, "grade") == []
    assert values(marks, "graded") == [0.0] * len(run.messages)
    asked = len(server.bodies)
    assert graded(run, server) == marks
    assert len(server.bodies) == asked


def test_grades_before_a_failure_stay_on_record(run: Run, server: ScriptedVLLM) -> None:
    server.mishaps.extend([mumble("3", 1.0)] * 2)
    server.mishaps.extend([status(400)] * 60)
    with pytest.raises(FloorReachedError):
        graded(run, server)
    server.mishaps.clear()
    before = len(server.bodies)
    marks = graded(run, server)
    unique = len({body["messages"][1]["content"] for body in server.bodies})
    assert len(server.bodies) - before == unique - 2
    assert values(marks, "grade").count(3.0) >= 2


def test_unknown_judge_is_refused_with_the_known_adapters(run: Run, server: ScriptedVLLM) -> None:
    with pytest.raises(UnknownAdapterError, match="critic"):
        graded(run, server, "crit")


def test_judge_refuses_tier_without_language_model() -> None:
    with pytest.raises(UsageError, match="a judge is a language model"):
        Judge("critic", (), Tier.SIMULATED)


def test_judge_file_is_locked_by_one_process(run: Run, server: ScriptedVLLM) -> None:
    from filelock import FileLock

    with FileLock(run.path / LOCK), pytest.raises(SocietyError, match="being judged by another process"):
        graded(run, server)


def test_judge_file_has_the_format_of_the_event_log(run: Run, server: ScriptedVLLM) -> None:
    graded(run, server)
    lines = (run.path / FILE).read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["type"] for line in lines} == {"CallMade"}
