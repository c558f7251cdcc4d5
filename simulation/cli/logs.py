"""How the command logs, on stderr: lines for a person, or one JSON object per line for a program."""

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
    """Let the project's logger write to stderr: warnings and notices, and every call if `verbose` or `as_json` is set.

    Args:
        console: The console of stderr.
        verbose: Also log every call.
        as_json: Log one JSON object per line, for every call and for what libraries log.
    """
    handler = _json_handler() if as_json else _text_handler(console)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose or as_json else logging.WARNING)
    logger.propagate = False
    logging.getLogger("society.notice").setLevel(logging.INFO)
    others = [each for each in logging.root.handlers if not isinstance(each.formatter, JSONFormatter)]
    logging.root.handlers[:] = [*others, handler] if as_json else others  # also what libraries log


def are_json() -> bool:
    """Return True if stderr may have nothing but JSON, as a program reads it."""
    return any(isinstance(handler.formatter, JSONFormatter) for handler in logger.handlers)


def _text_handler(console: Console) -> logging.Handler:
    """On a terminal, Rich writes above the progress bar. Elsewhere a record is one line of any length."""
    from rich.logging import RichHandler

    on_terminal = console.is_terminal
    handler = RichHandler(console=console, show_path=False, show_time=False) if on_terminal else logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(message)s" if on_terminal else "%(levelname)-8s %(message)s"))
    return handler


def _json_handler() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    return handler


class PlainFormatter(logging.Formatter):
    """Formats a record as text without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return sanitize_lines(super().format(record))


class JSONFormatter(logging.Formatter):
    """Formats a record as a JSON object in ASCII.

    It has `time` (ISO 8601, UTC), `level`, `logger` and `message`; `exception` if there is one; and for an attempt
    `call`: the columns of the `calls` table that the attempt has, and the `first_words` of the reply.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object on one line."""
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
    """Return an attempt as a row of the `calls` table, with the first words of its reply and without its prompt."""
    from agents.inference.records import first_words
    from simulation.tables.builder import call_row

    return {**call_row(record), "first_words": first_words(record.reply.text) if record.reply else ""}
