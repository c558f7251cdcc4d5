"""A small scenario for scripted servers, and what two of its runs must have in common."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import pandas as pd

from agents.roster import Roster
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.tables.run import Run
from tests.conftest import models

KEYS = ["episode", "step", "talk_round", "sender"]
WHOSE = ["tier", "endpoint", "latency", "attempt"]


def plan_for(
    urls: Sequence[str | dict[str, Any]], tier: str, *, steps: int = 2, episodes: int = 2, **inference: Any
) -> Plan:
    """Return a plan in which the servers at `urls` answer for four models; `inference` adds keys of that section."""
    scenario = {
        "name": "fleet",
        "mode": "cooperative",
        "roster": "inline",
        "seed": 3,
        "episodes": episodes,
        "tasks": [{"task_id": "goods", "task_type": "public_goods", "max_steps": steps}],
        "inference": {"endpoints": list(urls), "tiers": [tier, "simulated"], "balancing": "round_robin", **inference},
    }
    return Plan(Scenario.model_validate(scenario), Roster(name="r", base_model="base", models=models(4)))


def same_story(run: Run, undisturbed: Run) -> None:
    """Check that both have the same messages, decisions and outcomes, each once, in the tables and in oasis.db."""
    for found in (run, undisturbed):
        assert not found.messages.duplicated(_keys(found.messages)).any()
        assert _in_oasis(found) == sorted(
            zip(
                found.messages["oasis_message_id"],
                found.messages["oasis_group_id"],
                found.messages["text"],
                strict=True,
            )
        )
    for table in ("messages", "decisions", "steps"):
        pd.testing.assert_frame_equal(_story(getattr(run, table)), _story(getattr(undisturbed, table)))
    pd.testing.assert_frame_equal(
        run.outcomes.drop(columns=["completion_time"]), undisturbed.outcomes.drop(columns=["completion_time"])
    )


def answers(run: Run) -> pd.DataFrame:
    """Return the attempts with a reply: one for each call."""
    calls = run.calls[run.calls["status"] == "ok"]
    assert not calls.duplicated(["episode", "step", "model_id", "purpose", "talk_round", "ask"]).any()
    return calls


def _keys(frame: pd.DataFrame) -> list[str]:
    return [column for column in KEYS if column in frame]


def _story(frame: pd.DataFrame) -> pd.DataFrame:
    dropped = [column for column in frame if column in WHOSE or column.endswith(("latency", "duration", "time"))]
    return frame.drop(columns=dropped).reset_index(drop=True)


def _in_oasis(run: Run) -> list[tuple[int, int, str]]:
    with sqlite3.connect(run.path / "oasis.db") as database:
        rows = database.execute("SELECT message_id, group_id, content FROM group_messages").fetchall()
    database.close()
    return sorted(rows)
