"""A log that is read while it grows gives every event, also those in blocks beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.runs.runner import run_scenario
from simulation.store import log
from simulation.store.log import EventLog, read_events
from simulation.watch.tail import LogTail
from tests.support.two_ways import roster_of, scenario_of


def test_events_in_blocks_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LEAST", 1)
    run = run_scenario(scenario_of(prompts="off"), roster=roster_of(4), out=tmp_path)
    monkeypatch.chdir("/")
    path = run.path / EventLog.NAME
    assert list(LogTail(path).read()) == list(read_events(path))
