"""What people say into a run from another process: `inbox.jsonl` in its directory, one JSON object a line.

A line has an id and an event in the form of a scenario's `events`, without its step: it happens before the next step
that begins. A torn last line (the writer was killed inside a write) waits for its end, which never comes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from simulation.store.files import drop_torn_line, translating_os_errors

FILE = "inbox.jsonl"


def put(run: Path, event: Mapping[str, Any]) -> str:
    """Append an event to a run's inbox and return the line's id. Raises SocietyError where it cannot be written."""
    name = uuid4().hex[:8]
    line = orjson.dumps({"id": name, "event": event}) + b"\n"
    with translating_os_errors(run / FILE):
        drop_torn_line(run / FILE)
        descriptor = os.open(run / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return name


@dataclass
class Inbox:
    """Reads a run's inbox as it grows; costs one `stat` where nothing came.

    Args:
        run: The run's directory.
        taken: The ids of lines that happened already.
    """

    run: Path
    taken: set[str] = field(default_factory=set)
    _read: int = 0

    def take(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the id and the event of every whole line that came since."""
        file = self.run / FILE
        try:
            if file.stat().st_size <= self._read:
                return
            with file.open("rb") as stream:
                stream.seek(self._read)
                lines = stream.read().splitlines(keepends=True)
        except OSError:
            return
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._read += len(line)
            found = _parsed(line)
            if found and found["id"] not in self.taken:
                self.taken.add(found["id"])
                yield found["id"], found["event"]


def _parsed(line: bytes) -> Mapping[str, Any] | None:
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    sound = isinstance(found, dict) and isinstance(found.get("id"), str) and isinstance(found.get("event"), dict)
    return found if sound else None
