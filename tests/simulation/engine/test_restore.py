"""The oasis.db of a resumed run has the rows of an unbroken one, in the same order and with the same times."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import Event, StepResolved
from simulation.tables.run import Run
from tests.simulation.engine.test_network_phase import network_plan, rows_of


def resumed_run(plan: Plan, runs: Path) -> Run:
    """A run that is cut off in its second episode and resumed: its first episode is stored again."""

    def cut(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (1, 0):
            raise SocietyError("cut off")

    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=cut)
    return resume_run(stopped.value.path)


def stored(run: Run) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of oasis.db by table; those of the trace in the order in which they were written."""
    trace = "SELECT user_id, created_at, action, info FROM trace ORDER BY rowid"
    return {**rows_of(run), "trace": sqlite3.connect(run.path / "oasis.db").execute(trace).fetchall()}


@pytest.mark.parametrize(
    "talk",
    [
        {"addressing": "chosen"},
        {"talk_rounds": 2, "topology": "ring"},
        {"social_actions": ["create_post", "like_post"]},
    ],
)
def test_messages_of_a_game_are_stored_again(make_plan: Callable[..., Plan], runs: Path, talk: dict[str, Any]) -> None:
    plan = make_plan(mode="cooperative", communication=talk)
    assert stored(resumed_run(plan, runs)) == stored(run_scenario(plan, out=runs))


def test_seeded_posts_are_stored_before_messages(make_plan: Callable[..., Plan], runs: Path) -> None:
    post = {"at": "*.2", "post": {"author": "m2", "text": "Breaking news."}}
    votes = {"at": "*.3", "vote": {"item": 1, "likes": 7}}
    talk = {"talk_rounds": 2, "topology": [["m0", "m1"], ["m2", "m1"]]}
    keys = {"episodes": 2, "mode": "cooperative", "communication": talk, "events": [post, votes]}
    plan = network_plan(make_plan, 4, **keys)
    assert stored(resumed_run(plan, runs)) == stored(run_scenario(plan, out=runs))
