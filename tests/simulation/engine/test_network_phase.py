"""A network task in the engine: acts of active models, OASIS's own rows, resume and replay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.network import SocialActionName
from agents.problems import SocietyError
from simulation.engine.oasis_platform import FutureChannel, SocietyPlatform
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import Event, SocialActed, StepResolved
from simulation.store.log import read_events
from simulation.store.network_events import PostSeeded
from simulation.tables.run import Run
from tests.simulation.runs.test_runner import assert_same

ACTIONS = [action.value for action in SocialActionName]
LOOKING = ("search_posts", "search_user", "trend")
"""Actions that may find nothing; OASIS's own fail where they find a quote."""
TRACED = (
    "SELECT user_id, action, info FROM trace WHERE action NOT IN "
    "('sign_up', 'refresh', 'search_posts', 'search_user', 'trend') ORDER BY rowid"
)
"""The trace without what OASIS writes in full: the posts that it showed."""
TABLES = {
    "post": "post_id, user_id, original_post_id, content, quote_content, "
    "num_likes, num_dislikes, num_shares, num_reports",
    "comment": "comment_id, post_id, user_id, content, num_likes, num_dislikes",
    "like": "like_id, user_id, post_id",
    "dislike": "dislike_id, user_id, post_id",
    "comment_like": "comment_like_id, user_id, comment_id",
    "comment_dislike": "comment_dislike_id, user_id, comment_id",
    "follow": "follow_id, follower_id, followee_id",
    "mute": "mute_id, muter_id, mutee_id",
    "report": "report_id, user_id, post_id, report_reason",
    "chat_group": "group_id, name",
    "group_members": "group_id, agent_id",
    "group_messages": "message_id, group_id, sender_id, content",
    "user": "user_id, num_followings, num_followers",
}


def network_plan(make_plan: Callable[..., Plan], steps: int = 12, **keys: Any) -> Plan:
    parameters = {
        "actions": ACTIONS,
        "feed": {"kind": "chronological", "length": 8},
        "activity": {"chance": 0.8},
        "posts": [{"author": "m1", "text": "the first"}],
        **keys.pop("parameters", {}),
    }
    task = {"task_id": "evening", "task_type": "social_network", "max_steps": steps, "parameters": parameters}
    return make_plan(**{"tasks": [task], "communication": {"topology": [["m0", "m1"], ["m2", "m1"]]}, **keys})


def rows_of(run: Run) -> dict[str, list[tuple[Any, ...]]]:
    database = sqlite3.connect(run.path / "oasis.db")
    names = {**TABLES, "trace": "user_id, created_at, action, info", "rec": "user_id, post_id"}
    return {table: database.execute(f"SELECT {columns} FROM '{table}'").fetchall() for table, columns in names.items()}


def test_active_models_act_and_nobody_talks(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(network_plan(make_plan, episodes=1), out=runs)
    assert run.messages.empty
    assert run.decisions.empty
    assert 0 < len(run.acts) < 4 * 12
    assert run.acts["success"].all()
    assert set(run.calls["purpose"]) == {"act"}
    assert set(run.prompts["purpose"]) == {"act"}
    assert "Your feed:" in run.prompts["user"].iloc[-1]


def test_what_stood_there_before_is_an_event(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(network_plan(make_plan, episodes=1), out=runs)
    seeded = [event for event in read_events(run.path / "events.jsonl") if isinstance(event, PostSeeded)]
    assert seeded == [PostSeeded(0, 0, "2026-01-01 08:00", 1, "m1", "the first")]


def test_first_posts_come_with_comments_and_votes(make_plan: Callable[..., Plan], runs: Path) -> None:
    posts = [{"text": "first", "likes": 2, "comments": [{"author": "m1", "text": "no", "dislikes": 1}]}]
    quiet = {"posts": posts, "activity": {"chance": 0}}
    run = run_scenario(network_plan(make_plan, 1, episodes=2, parameters=quiet), out=runs)
    counts = run.posts[["kind", "parent", "likes", "dislikes"]].to_dict("records")
    first, comment = counts[:2]
    assert first == {"kind": "post", "parent": 0, "likes": 2, "dislikes": 0}
    assert comment == {"kind": "comment", "parent": 1, "likes": 0, "dislikes": 1}
    assert set(run.posts[run.posts["kind"] == "comment"]["author"]) == {"m1"}
    database = sqlite3.connect(run.path / "oasis.db")
    assert database.execute("SELECT num_likes FROM post").fetchall() == [(2,), (2,)]
    assert database.execute("SELECT content, num_dislikes FROM comment").fetchall() == [("no", 1), ("no", 1)]
    assert replay_run(run.path, out=runs).log_identical


def test_author_of_a_first_post_is_drawn_by_the_seed(make_plan: Callable[..., Plan], runs: Path) -> None:
    quiet = {"posts": [{"text": "whose?"}], "activity": {"chance": 0}}
    plan = network_plan(make_plan, 1, episodes=20, parameters=quiet)
    first, again = (list(run_scenario(plan, out=runs).posts["author"]) for _ in range(2))
    assert len(set(first)) == 4
    assert again == first


def test_a_network_talks_where_talk_rounds_are_set(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(network_plan(make_plan, 2, episodes=1, communication={"talk_rounds": 1}), out=runs)
    assert len(run.messages) == 2 * 4


def test_a_replay_of_a_network_is_the_same_bytes(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(network_plan(make_plan), out=runs)
    replay = replay_run(run.path, out=runs)
    assert (replay.log_identical, replay.tables_identical) == (True, True)
    assert rows_of(replay.run) == rows_of(run)


def test_a_resumed_network_is_that_of_an_unbroken_run(make_plan: Callable[..., Plan], runs: Path) -> None:
    plan = network_plan(make_plan, 6, episodes=3)
    steps: list[Event] = []

    def cut(event: Event) -> None:
        if isinstance(event, StepResolved):
            steps.append(event)
            if len(steps) == 15:
                raise SocietyError("cut off")

    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=cut)
    resumed, unbroken = resume_run(stopped.value.path), run_scenario(plan, out=runs)
    assert_same(resumed, unbroken)
    assert rows_of(resumed) == rows_of(unbroken)


class Numbers:
    """The number that OASIS gives to each item of the network."""

    def __init__(self) -> None:
        self.of = {0: 0}

    def told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self.of[value] if name in {"post_id", "comment_id"} else value for name, value in arguments.items()
        }


async def performed_by_oasis(run: Run, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Let OASIS's own platform carry out a run's acts, and return its rows."""
    platform = SocietyPlatform(folder / "stock.db", FutureChannel())
    for number, name in enumerate(run.agents["model_id"]):
        await platform.sign_up(number, (name, name, ""))
    for user, other in ((0, 1), (1, 0), (1, 2), (2, 1)):
        await platform.follow(user, other)
    numbers = Numbers()
    numbers.of[1] = (await platform.create_post(1, "the first"))["post_id"]
    acts = [event for event in read_events(run.path / "events.jsonl") if isinstance(event, SocialActed)]
    for act in acts:
        given, action = numbers.told(json.loads(act.arguments)), str(act.action)
        order = {"create_comment": ("post_id", "content"), "quote_post": ("post_id", "quote_content")}
        order |= {"report_post": ("post_id", "report_reason"), "send_to_group": ("group_id", "message")}
        message = [tuple(given[name] for name in order[action])] if action in order else list(given.values())
        platform.sandbox_clock.time_step += 1  # else the trace refuses the same act of a user a second time
        answer = await getattr(platform, action)(int(act.model_id[1:]), *message)
        assert answer["success"] or action in LOOKING, (act, answer)
        if act.item:
            numbers.of[act.item] = answer.get("post_id", answer.get("comment_id"))
    database = platform.db_cursor
    traced = database.execute(TRACED).fetchall()[4:]  # without the four follows before the first step
    return {"trace": traced} | {
        table: database.execute(f"SELECT {names} FROM '{table}'").fetchall() for table, names in TABLES.items()
    }


async def test_rows_are_those_that_oasis_itself_writes(
    make_plan: Callable[..., Plan], runs: Path, tmp_path: Path
) -> None:
    import asyncio

    plan = network_plan(make_plan, 120, episodes=1)
    run = await asyncio.to_thread(run_scenario, plan, out=runs)
    assert set(run.acts["action"]) == set(ACTIONS)
    ours = rows_of(run)
    ours["trace"] = sqlite3.connect(run.path / "oasis.db").execute(TRACED).fetchall()
    theirs = await performed_by_oasis(run, tmp_path)
    assert {table: ours[table] for table in (*TABLES, "trace")} == theirs
