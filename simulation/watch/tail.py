"""Reads an event log while another process appends to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from simulation.store.blocks import one_by_one
from simulation.store.events import Event
from simulation.store.log import EventLogError, decode

CHUNK = 1 << 20


class LogTail:
    """Reads what was appended since the last look. `offset` is the end of the last line read.

    A line without an end is not read: it is being written, or a resumed run cuts it off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._lines = 0

    def read(self) -> Iterator[Event]:
        """The next events, about a megabyte at most.

        Raises:
            EventLogError: The file is no event log of this version, or was cut.
        """
        yield from one_by_one(map(self._decode, self._whole_lines()))

    def unread(self) -> int:
        """How many bytes are not read yet."""
        return self.path.stat().st_size - self.offset if self.path.exists() else 0

    def _whole_lines(self) -> list[bytes]:
        if self.unread() < 0:
            raise EventLogError(f"{self.path} is shorter than it was; start society view again")
        if self.unread() == 0:
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(CHUNK)
            while b"\n" not in data and (more := file.read(CHUNK)):
                data += more
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return whole.split(b"\n")[:-1]

    def _decode(self, line: bytes) -> Event:
        self._lines += 1
        try:
            return decode(line, self.path.parent)
        except (ValueError, KeyError, TypeError) as error:
            raise EventLogError(f"{self.path}:{self._lines}: not an event of this version: {error}") from error
