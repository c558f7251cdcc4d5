"""The lines at a run's end that say what failed at servers, and whose fault it was."""

from __future__ import annotations

from typing import Any

import pandas as pd

from simulation.monitor.failed_calls import MOST_LINES, failed_call_lines
from simulation.tables.builder import frame_of
from simulation.tables.columns import TABLES, TableName

HERE = "http://here/v1"


def calls(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    """Calls given by adapter, status, fault and error."""
    named = [dict(zip(("adapter", "status", "fault", "error"), row, strict=True)) for row in rows]
    known: dict[str, Any] = {"endpoint": HERE, "episode": 0, "step": 0, "talk_round": 0, "ask": 0, "attempt": 1}
    return frame_of(TABLES[TableName.CALLS], [{**known, "synthetic": False, **row} for row in named])


def test_a_run_without_failed_calls_has_no_line() -> None:
    assert failed_call_lines(calls(("a", "ok", "", ""), ("b", "cancelled", "", ""))) == []


def test_failures_are_counted_by_adapter_and_fault() -> None:
    bad = ("b", "failed", "adapter", "TransientError: b is broken")
    lines = failed_call_lines(calls(("a", "failed", "server", "TransientError: busy"), bad, bad))
    assert lines == [
        f"2 attempts for b at {HERE} failed, the adapter's fault: b is broken",
        f"1 attempt for a at {HERE} failed, the server's fault: busy",
    ]


def test_more_kinds_than_lines_are_counted() -> None:
    rows = [(f"a{number}", "failed", "request", "PermanentError: no") for number in range(MOST_LINES + 2)]
    lines = failed_call_lines(calls(*rows))
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "and 2 more kinds of failed calls"


def test_calls_of_an_old_run_have_no_fault_and_no_line() -> None:
    assert failed_call_lines(calls(("a", "failed", "", "TransientError: busy"))) == []
