"""How the command logs: lines for a person, or one JSON object a line for a machine. Both on stderr."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from agents.sanitize import sanitize_lines

if TYPE_CHECKING:
    from rich.console import Console

    from agents.inference.provenance import CallRecord

logger = logging.getLogger("society")


def set_up(console: Console, *, verbose: bool, as_json: bool) -> None:
    """Let the project's logger write to stderr: warnings, notices and, with `verbose` or `as_json`, every call."""
    handler = _machine_handler() if as_json else _person_handler(console)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose or as_json else logging.WARNING)
    logger.propagate = False
    logging.getLogger("society.notice").setLevel(logging.INFO)
    others = [each for each in logging.root.handlers if not isinstance(each.formatter, JSONFormatter)]
    logging.root.handlers[:] = [*others, handler] if as_json else others  # what libraries log, too


def are_json() -> bool:
    """Whether stderr is read by a machine, so that nothing but JSON may go there."""
    return any(isinstance(handler.formatter, JSONFormatter) for handler in logger.handlers)


def _person_handler(console: Console) -> logging.Handler:
    """On a terminal Rich writes above the progress bar; elsewhere a record is one line, however wide."""
    from rich.logging import RichHandler

    on_terminal = console.is_terminal
    handler = RichHandler(console=console, show_path=False, show_time=False) if on_terminal else logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(message)s" if on_terminal else "%(levelname)-8s %(message)s"))
    return handler


def _machine_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    return handler


class PlainFormatter(logging.Formatter):
    """A record with nothing in it that a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return sanitize_lines(super().format(record))


class JSONFormatter(logging.Formatter):
    """`time` (ISO 8601, UTC), `level`, `logger`, `message`; `exception` where there is one; for an attempt `call`: the
    columns of the `calls` table that the attempt itself tells, and `first_words` of the reply. ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        body: dict[str, Any] = {
            "time": moment,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            body["exception"] = self.formatException(record.exc_info)
        call = getattr(record, "call", None)
        if call is not None:
            body["call"] = call_fields(call)
        return json.dumps(body, default=str)


def call_fields(record: CallRecord) -> dict[str, Any]:
    """An attempt as a row of the `calls` table, with the first words of what it brought; never a prompt."""
    from agents.inference.records import first_words
    from simulation.tables.run import call_row

    return {**call_row(record), "first_words": first_words(record.reply.text) if record.reply else ""}
