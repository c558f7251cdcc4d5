"""What a run played, in the bytes of its own log: without the answers of interviews, and with measured times as 0."""

from __future__ import annotations

from typing import Any

import orjson

from agents.inference.provenance import CallKey, Purpose
from simulation.store.log import EventLog
from simulation.store.prompts import StoredPrompt, read_prompts
from simulation.tables.run import Run

MEASURED = ("latency", "duration", "queue_time", "first_token_time", "completion_time")


def played_lines(run: Run) -> list[bytes]:
    """Return the lines of the event log, without those of interviews."""
    lines = [orjson.loads(line) for line in (run.path / EventLog.NAME).read_bytes().splitlines()]
    return [orjson.dumps(without_times(line)) for line in lines if not is_interview(line)]


def is_interview(line: dict[str, Any]) -> bool:
    purpose = line.get("record", {}).get("key", {}).get("purpose")
    return line["type"] == "InterviewAnswered" or purpose == Purpose.INTERVIEW.value


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: 0 if name in MEASURED else without_times(each) for name, each in value.items()}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def played_prompts(run: Run) -> dict[CallKey, StoredPrompt]:
    """Return the stored prompts, without those of interviews."""
    return {key: each for key, each in read_prompts(run.path).items() if key.purpose is not Purpose.INTERVIEW}
