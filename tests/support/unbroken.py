"""A small run, and checks that an interrupted and resumed run differs from it in times only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from agents.inference.provenance import Tier
from simulation.plan import Plan
from simulation.runs.runner import Observer, run_scenario
from simulation.store.events import CallMade
from simulation.store.log import EventLog, read_events
from simulation.tables.builder import build_tables
from simulation.tables.columns import TableName
from simulation.tables.run import Run

MEASURED = ["completion_time", "latency", "duration", "queue_time", "first_token", "started", "at", "ended"]
TABLES = ("agents", "outcomes", "messages", "acts", "decisions", "steps", "episodes")


def play(out: Path, steps: int = 2, on_event: Observer | None = None, **overrides: str) -> Run:
    """Play two episodes on the simulated tier; `overrides` are those of `--set`, with "__" for a dot."""
    settings = {"tasks.0.max_steps": str(steps), **{key.replace("__", "."): value for key, value in overrides.items()}}
    options = {"tier": Tier.SIMULATED, "episodes": 2}
    return run_scenario(Plan.load("first_contact", settings), **options, out=out, on_event=on_event)


def assert_whole(run: Run, unbroken: Run) -> None:
    """Check that the tables of `run` equal those of `unbroken`, and that every call with a reply was made once."""
    for name in TABLES:
        first, second = (getattr(each, name).drop(columns=MEASURED, errors="ignore") for each in (run, unbroken))
        pd.testing.assert_frame_equal(first, second)
    log = read_events(run.path / EventLog.NAME)
    paid = Counter(event.record.key for event in log if isinstance(event, CallMade) and event.record.reply is not None)
    assert set(paid.values()) == {1}
    assert len(paid) == len(unbroken.calls)


def assert_so_far(run: Run, unbroken: Run) -> None:
    """Check that the tables of `run`, finished or not, match its log, and that the log is a prefix of `unbroken`'s.

    The tables never have older or other figures.
    """
    logged = build_tables(read_events(run.path / EventLog.NAME), run.roster)
    for name in TableName:
        pd.testing.assert_frame_equal(getattr(run, name.value).astype(object), logged[name].astype(object))
    for table in TABLES:
        first, second = (getattr(each, table).drop(columns=MEASURED, errors="ignore") for each in (run, unbroken))
        pd.testing.assert_frame_equal(first.astype(object), second.head(len(first)).astype(object))
