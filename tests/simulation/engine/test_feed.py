"""The social phase of a step, through OASIS: what is done is in its tables, seen by all, and survives a resume."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.network import GAME_ACTIONS
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import Event, StepResolved
from simulation.tables.run import Run
from tests.simulation.runs.test_runner import assert_same
from tests.support.scripted_vllm import ScriptedVLLM

ACTIONS = [action.value for action in GAME_ACTIONS]
TASK = {"task_id": "pot", "task_type": "public_goods", "max_steps": 4}


def social_plan(make_plan: Callable[..., Plan], **keys: object) -> Plan:
    return make_plan(tasks=[TASK], communication={"social_actions": ACTIONS}, **keys)


def oasis_rows(run: Run) -> dict[str, list[tuple[object, ...]]]:
    database = sqlite3.connect(run.path / "oasis.db")
    columns = {
        "post": "post_id, user_id, content, num_likes",
        "comment": "comment_id, post_id, user_id, content",
        '"like"': "like_id, user_id, post_id",
        "follow": "follow_id, follower_id, followee_id",
    }
    return {table: database.execute(f"SELECT {names} FROM {table}").fetchall() for table, names in columns.items()}


def test_everyone_acts_once_a_step_and_oasis_keeps_it(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(social_plan(make_plan), out=runs)
    acts = run.acts
    assert (acts.groupby(["episode", "step"]).size() == 4).all()
    assert set(acts["tier"]) == {"simulated"}
    done = acts[acts["success"]]
    posted = done[done["action"] == "create_post"]
    rows = oasis_rows(run)
    assert [row[2] for row in rows["post"]] == [json.loads(text)["content"] for text in posted["arguments"]]
    assert len(rows["comment"]) == (done["action"] == "create_comment").sum() > 0
    assert len(rows['"like"']) == (done["action"] == "like_post").sum() > 0
    assert len(rows["follow"]) == (done["action"] == "follow").sum()
    assert (acts["error"].str.len() > 0).sum() == (~acts["success"]).sum()  # OASIS refuses a second like or follow


def test_without_social_actions_nothing_of_it_is_there(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    assert run.acts.empty
    assert set(run.calls["purpose"]) == {"talk", "decide"}


def test_an_episode_starts_with_an_empty_feed(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(social_plan(make_plan, episodes=3), out=runs)
    database = sqlite3.connect(run.path / "oasis.db")
    for table in ("comment", '"like"'):
        for number, post in database.execute(f"SELECT user_id, post_id FROM {table}"):
            assert number >= 0
            assert post >= 1
    targets = run.acts[run.acts["action"].isin(["create_comment", "like_post"])]
    posts = run.acts[(run.acts["action"] == "create_post") & run.acts["success"]].reset_index(drop=True)
    for episode, arguments in zip(targets["episode"], targets["arguments"], strict=True):
        assert posts["episode"][json.loads(arguments)["post_id"] - 1] == episode


def test_a_resumed_run_has_the_network_of_an_unbroken_one(make_plan: Callable[..., Plan], runs: Path) -> None:
    plan = social_plan(make_plan, episodes=3)
    steps: list[Event] = []

    def cut(event: Event) -> None:
        if isinstance(event, StepResolved):
            steps.append(event)
            if len(steps) == 6:
                raise SocietyError("cut off")

    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=cut)
    resumed = resume_run(stopped.value.path)
    unbroken = run_scenario(plan, out=runs)
    assert_same(resumed, unbroken)
    assert oasis_rows(resumed) == oasis_rows(unbroken)


async def _serve_and_run(make_plan: Callable[..., Plan], runs: Path, server: ScriptedVLLM) -> Run:
    import asyncio

    inference = {"tiers": ["http"], "endpoints": [server.url]}
    plan = social_plan(make_plan, episodes=1, inference=inference)
    return await asyncio.to_thread(run_scenario, plan, out=runs)


async def test_feed_offers_tools_and_performs_the_calls(make_plan: Callable[..., Plan], runs: Path) -> None:
    async with ScriptedVLLM(base="SmolLM2-135M-Instruct") as server:
        server.calls_tools = True
        run = await _serve_and_run(make_plan, runs, server)
        offered = [body for body in server.bodies if "tools" in body]
    assert {body["tool_choice"] for body in offered} == {"required"}
    assert set(run.acts["tier"]) == {"http"}
    assert run.acts["action"].notna().all()
    first = [tool["function"]["name"] for tool in offered[0]["tools"]]
    assert first == ["create_post", "do_nothing"]  # there is nothing yet to comment on, like or follow


async def test_reply_without_tool_call_is_asked_again_once(make_plan: Callable[..., Plan], runs: Path) -> None:
    async with ScriptedVLLM(base="SmolLM2-135M-Instruct") as server:
        server.calls_tools = False
        run = await _serve_and_run(make_plan, runs, server)
    assert run.acts["action"].isna().all()
    assert set(run.acts["asks"]) == {2}
    assert not run.acts["success"].any()
    assert set(run.acts["text"]) == {"hello from cooperator"}
