"""What failed at servers in a run: whose fault it was, how often, and what the server said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.inference.fault import Fault
from agents.inference.provenance import CallStatus

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES = 6
_HEADS = {
    Fault.REQUEST.value: "the request was refused",
    Fault.ADAPTER.value: "the adapter's fault",
    Fault.SERVER.value: "the server's fault",
}


def failed_call_lines(calls: pd.DataFrame) -> list[str]:
    """Return a line for each server, adapter and fault with failed attempts, the most frequent first.

    Args:
        calls: The table `calls`.
    """
    failed = calls[(calls["status"] == CallStatus.FAILED.value) & (calls["fault"] != "")]
    if failed.empty:
        return []
    groups = failed.astype({"endpoint": object, "adapter": object, "fault": object})
    counted = groups.groupby(["endpoint", "adapter", "fault"], sort=False)["error"].agg(["size", _usual])
    rows = counted.sort_values("size", ascending=False, kind="stable")
    lines = [_line(key, int(size), str(error)) for key, size, error in rows.itertuples()]
    left = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"and {left} more kinds of failed calls"] if left > 0 else [])]


def _line(key: tuple[str, str, str], count: int, error: str) -> str:
    endpoint, adapter, fault = key
    attempts = "1 attempt" if count == 1 else f"{count} attempts"
    where = f" at {endpoint}" if endpoint else ""
    return f"{attempts} for {adapter}{where} failed, {_HEADS.get(fault, fault)}: {error.partition(': ')[2] or error}"


def _usual(errors: pd.Series[str]) -> str:
    return str(errors.value_counts().index[0])
