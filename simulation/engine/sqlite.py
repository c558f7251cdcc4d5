"""SQLite for OASIS: one transaction per step, and a disk error that is not taken for a player's failed action."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from agents.lora_model import PlatformError

_FIX = "make room on its disk, or see who else holds or forbids it"


class StepConnection(sqlite3.Connection):
    """A connection that writes a step in one transaction; OASIS commits after every statement.

    A killed process loses the step in flight, which a resumed run stores again. `on_refusal` gets a disk error: OASIS
    would take it for a failed action and go on.
    """

    path = ""
    on_refusal: Callable[[Exception], None] | None = None

    def commit(self) -> None:
        """Do nothing: `save` commits."""

    def save(self) -> None:
        with self.writing():
            super().commit()

    def close(self) -> None:
        self.save()
        super().close()

    def drop(self) -> None:
        """Close without saving; do nothing where it is closed."""
        super().close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Raise PlatformError for what SQLite could not do."""
        try:
            yield
        except sqlite3.OperationalError as error:
            refused = PlatformError(f"{self.path} could not be written: {error}; {_FIX}")
            if self.on_refusal is not None:
                self.on_refusal(refused)
            raise refused from error


class StepCursor(sqlite3.Cursor):
    """A cursor of such a connection."""

    connection: StepConnection

    def execute(self, *statement: Any) -> StepCursor:
        with self.connection.writing():
            return super().execute(*statement)

    def executemany(self, *statement: Any) -> StepCursor:
        with self.connection.writing():
            return super().executemany(*statement)


@contextlib.contextmanager
def opened(db_path: str) -> Iterator[StepConnection]:
    """Give a connection, which stays open unless the block fails. Raises PlatformError."""
    try:
        connection = sqlite3.connect(db_path, factory=StepConnection)
    except sqlite3.OperationalError as error:
        raise PlatformError(f"{db_path} could not be opened: {error}; {_FIX}") from error
    connection.path = db_path
    try:
        yield connection
    except PlatformError:
        connection.drop()
        raise
