"""The machine's clock is set back while a run plays and is resumed: durations are what they were, never negative."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pandas as pd
import pytest

from agents.inference.provenance import Tier
from simulation.plan import Plan
from simulation.runs.runner import resume_run, run_scenario
from simulation.store import run_directory
from simulation.store.events import Event, StepResolved
from simulation.tables.columns import REAL, TABLES
from simulation.tables.run import Run, load_run
from tests.support.forks import DEATH, in_child, killed
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM
from tests.support.unbroken import assert_whole

ADAPTERS = ("cooperator", "defector", "reciprocator", "SmolLM2-135M-Instruct")
ANSWER = 0.02  # seconds a reply takes
_hours = itertools.count(1)


class BackwardsClock(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return datetime.now(tz) - timedelta(hours=next(_hours))


def jump_back() -> None:
    """From here on every reading of this process's clock is an hour before the last; for a child."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() - 3600 * next(_hours)
    time.time_ns = lambda: now_ns() - 3_600_000_000_000 * next(_hours)
    run_directory.datetime = BackwardsClock  # type: ignore[misc]


def die(event: Event) -> None:
    if isinstance(event, StepResolved):
        os._exit(DEATH)


def durations(run: Run) -> Iterator[tuple[str, pd.Series[float]]]:
    """Every column of seconds, without what was not measured."""
    for table, columns in TABLES.items():
        for column in columns:
            if column.dtype == REAL and column.meaning.startswith("seconds"):
                yield f"{table.value}.{column.name}", getattr(run, table.value)[column.name].dropna()


@pytest.mark.parametrize("tier", [Tier.HTTP, Tier.SIMULATED])
def test_a_resumed_run_whose_clock_jumps_back(tier: Tier, tmp_path: Path) -> None:
    with in_thread(ScriptedVLLM(ADAPTERS, delay=ANSWER)) as server:
        plan = Plan.load("first_contact", {"tasks.0.max_steps": "2"})
        options = {"tier": tier, "episodes": 2, "endpoints": (server.url,)}
        unbroken = run_scenario(plan, **options, out=tmp_path / "unbroken")
        killed(lambda: jump_back() or run_scenario(plan, **options, out=tmp_path / "cut", on_event=die))
        (path,) = (tmp_path / "cut").iterdir()
        in_child(lambda: jump_back() or resume_run(path))
    run = load_run(path)
    assert_whole(run, unbroken)
    found = dict(durations(run))
    assert {"calls.latency", "calls.queue_time", "episodes.duration", "steps.duration", "outcomes.completion_time"} <= {
        *found
    }
    for name, column in found.items():
        assert column.between(0, 60).all(), name
    if tier is Tier.HTTP:
        assert (found["calls.latency"] >= ANSWER).all()
        assert (found["episodes.duration"] >= 2 * ANSWER).all()  # of the second: the first was cut off
        assert len(found["episodes.duration"]) == 1
