"""The append-only event log of a run. Every table is derived from it.

One JSON object a line, `type` first. A torn last line (the process was killed inside a write) is ignored when the log
is read. A large block of events is a file of its own (`simulation.store.blocks`), and a line names it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import orjson

from agents.dataclass_init import changed
from agents.inference.provenance import CallKey, CallRecord, CallStatus, Purpose, Tier
from agents.inference.recording import read_reply
from agents.problems import SocietyError
from simulation.store.blocks import FOLDER, LEAST, EventBlock, one_by_one, read_table, rows_of, write_rows
from simulation.store.events import (
    EVENT_TYPES,
    CallMade,
    DecisionMade,
    EpisodeEnded,
    Event,
    MessageSent,
    Outcome,
    SocialActed,
    StepResolved,
    StepRow,
)
from simulation.store.files import drop_torn_line
from simulation.store.intervention_events import EventHappened
from simulation.store.interviews import InterviewAnswered
from simulation.store.migrations import migrated_events
from simulation.store.rows import Rows

BLOCK = "EventBlock"
_ROWS: dict[type[Any], tuple[str, type[Any]]] = {StepResolved: ("rows", StepRow), EpisodeEnded: ("outcomes", Outcome)}
"""Events that hold rows, with their name and class."""


class EventLogError(SocietyError):
    """An event log that cannot be read; the text names file and line."""


class EventLog:
    """Appends events to a file; `sync` makes everything written so far survive a crash.

    After a write that failed, every later write raises the same OSError: a half-written line must stay the last one.
    """

    NAME: ClassVar[str] = "events.jsonl"

    def __init__(self, path: Path) -> None:
        drop_torn_line(path)
        self._home = path.parent
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._waiting: list[bytes] = []
        self._refused: OSError | None = None

    def append(self, event: Event) -> None:
        events = event.rows if isinstance(event, EventBlock) and len(event.rows) < LEAST else (event,)
        self._waiting += [self._line(each) for each in events]
        if isinstance(event, (CallMade, MessageSent, EventBlock)):  # paid for, or heard: others may read it already
            self._flush()

    def _line(self, event: Event) -> bytes:
        if isinstance(event, EventBlock):
            file = self._store(f"{event.episode}-{event.step}-{event.part}-{event.kind}", event.rows)
            body = {"episode": event.episode, "step": event.step, "part": event.part, "kind": event.kind}
            return orjson.dumps({"type": BLOCK, **body, "rows": len(event.rows), "file": file}) + b"\n"
        name, _ = _ROWS.get(type(event), ("", None))
        rows = getattr(event, name, ())
        if isinstance(rows, Rows) and len(rows) >= LEAST:
            step = event.step if isinstance(event, StepResolved) else "end"
            file = self._store(f"{getattr(event, 'episode', 0)}-{step}-{type(event).__name__}", rows)
            event = changed(event, **{name: {"file": file}})
        return encode(event) + b"\n"

    def _store(self, name: str, rows: Rows[Any]) -> str:
        write_rows(self._home / FOLDER / f"{name}.parquet", rows)
        return f"{FOLDER}/{name}.parquet"

    def _flush(self) -> None:
        rest = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        try:
            while rest and self._refused is None:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._refused = error
        if self._refused is not None:
            raise self._refused

    def sync(self) -> None:
        self._flush()
        os.fsync(self._descriptor)

    def close(self) -> None:
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Close the file without writing more."""
        self._waiting.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def encode(event: Event) -> bytes:
    """Return an event as one line of JSON, without the line's end."""
    body = {field.name: getattr(event, field.name) for field in fields(event)}
    if isinstance(event, DecisionMade) and event.played is None:
        del body["played"]  # the line is that of versions without noise: a replay of their runs has the same bytes
    return orjson.dumps({"type": type(event).__name__, **body}, default=_rows_in_full)


def _rows_in_full(value: object) -> tuple[object, ...]:
    """Return rows that are kept as columns one by one. Raises TypeError for any other value."""
    if isinstance(value, Rows):
        return tuple(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


def decode(line: bytes, home: Path | None = None) -> Event:
    """Return the event in a line of this version. Raises ValueError or KeyError for anything else.

    Args:
        line: The line.
        home: The run directory, for a line that names a file in it.
    """
    return _event(orjson.loads(line), home or Path())


def _event(body: dict[str, Any], home: Path) -> Event:
    name = body.pop("type")
    if name == BLOCK:
        rows = rows_of(read_table(home / body["file"]), EVENT_TYPES[body["kind"]])
        return EventBlock(body["episode"], body["step"], rows, body["part"])
    kind = EVENT_TYPES[name]
    field, row = _ROWS.get(kind, ("", None))
    if row is not None and isinstance(body[field], dict):
        event: Event = kind(**{**body, field: rows_of(read_table(home / body[field]["file"]), row)})
        return event
    read = _READERS.get(kind)
    return read(body) if read else kind(**body)


def _key(body: dict[str, Any]) -> CallKey:
    return CallKey(**{**body, "purpose": Purpose(body["purpose"])})


def _call(body: dict[str, Any]) -> CallMade:
    record = body["record"]
    typed = {"key": _key(record["key"]), "tier": Tier(record["tier"]), "status": CallStatus(record["status"])}
    reply = read_reply(record["reply"]) if record["reply"] else None
    return CallMade(CallRecord(**{**record, **typed, "reply": reply}))


_READERS: dict[type[Any], Callable[[dict[str, Any]], Event]] = {
    CallMade: _call,
    MessageSent: lambda body: MessageSent(
        **{**body, "addressees": tuple(body["addressees"]), "audience": tuple(body["audience"])}
    ),
    SocialActed: lambda body: SocialActed(**{**body, "seen": tuple(body.get("seen", ()))}),
    InterviewAnswered: InterviewAnswered.read,
    EventHappened: EventHappened.read,
    StepResolved: lambda body: StepResolved(**{**body, "rows": tuple(StepRow(**row) for row in body["rows"])}),
    EpisodeEnded: lambda body: EpisodeEnded(**{**body, "outcomes": tuple(Outcome(**row) for row in body["outcomes"])}),
}


class _Lines:
    """The whole lines of a log as raw events; `number` is the line read last."""

    def __init__(self, path: Path) -> None:
        self._path, self.number = path, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as file:
            for self.number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                yield orjson.loads(line)


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a log one by one, oldest first, as `read_log`."""
    yield from one_by_one(read_log(path))


def read_log(path: Path) -> Iterator[Event]:
    """Yield the events of a log, oldest first, migrated where an older version wrote them; large blocks are whole.

    A torn last line is left out.

    Raises:
        EventLogError: The log is missing, or a line of it is broken.
        BlockError: A file that the log names is missing or broken.
    """
    lines = _Lines(path)
    try:
        for body in migrated_events(iter(lines), path.parent):
            yield _event(body, path.parent)
    except FileNotFoundError as error:
        raise EventLogError(f"{path} is not there: the run has no record of what happened") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventLogError(f"{path}:{lines.number}: not an event of this version: {error}") from error
