"""A scenario played twice: by requests and prompts, and in columns. Nothing but measured times may differ."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from agents.players.policies import POLICIES
from agents.role import ModelRole
from agents.roster import Roster
from simulation.runs.runner import run_scenario
from simulation.store.events import CallMade, Event
from simulation.store.log import EventLog, read_events
from simulation.tables.run import Run

MEASURED = ("duration", "latency", "completion_time")


def roster_of(players: int, *, scripted: bool = True) -> Roster:
    """Return a roster in which every role and, for every second row, one policy after the other plays; two teams."""
    roles, policies = list(ModelRole), list(POLICIES)
    rows: list[dict[str, Any]] = []
    for number in range(players):
        row = {"model_id": f"m{number}", "role": roles[number % len(roles)].value, "team_id": "ab"[number % 2]}
        plays = (
            {"policy": policies[number % len(policies)]} if scripted and number % 2 else {"model_name": "cooperator"}
        )
        rows.append({**row, **plays})
    return Roster.model_validate({"name": "crowd", "base_model": "SmolLM2-135M-Instruct", "models": rows})


def crowd(players: int) -> Roster:
    """Return a roster of models of every role, with few rows."""
    rows = [
        {"model_id": role.value, "model_name": "cooperator", "role": role.value, "count": players // len(ModelRole)}
        for role in ModelRole
    ]
    return Roster.model_validate({"name": "crowd", "base_model": "SmolLM2-135M-Instruct", "models": rows})


def scenario_of(**keys: Any) -> dict[str, Any]:
    """Return a scenario of public goods on the simulated tier, with other keys."""
    task = {"task_id": "task", "task_type": "public_goods", "max_steps": 3}
    plain = {"name": "crowd", "mode": "cooperative", "tasks": [task], "inference": {"tiers": ["simulated"]}}
    return {**plain, **keys}


def played_both_ways(scenario: Mapping[str, Any], roster: Roster, out: Path) -> tuple[Run, Run]:
    """Play a scenario by requests, and in columns; check that the second made no call."""
    asked, columns = (
        run_scenario({**scenario, "prompts": prompts}, roster=roster, out=out / prompts) for prompts in ("on", "off")
    )
    assert columns.calls.empty
    return asked, columns


def assert_same(asked: Run, columns: Run) -> None:
    """Check that events, OASIS's database and the tiers' shares are the same."""
    first, second = (list(events_of(run)) for run in (asked, columns))
    assert first == second
    assert rows_of_database(asked) == rows_of_database(columns)
    assert asked.manifest["tier_mix"] == columns.manifest["tier_mix"]


def events_of(run: Run) -> list[dict[str, Any]]:
    """Return the events of a run without calls and measured times."""
    log = read_events(run.path / EventLog.NAME)
    return [plain(event) for event in log if not isinstance(event, CallMade)]


def plain(event: Event | Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        rows = field.name in ("rows", "outcomes")
        if field.name not in MEASURED:
            found[field.name] = [plain(each) for each in value] if rows else value
    return found


def rows_of_database(run: Run) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of the run's OASIS database, by table."""
    with sqlite3.connect(run.path / "oasis.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f"SELECT * FROM '{name}'").fetchall() for name in tables}
