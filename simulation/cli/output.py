"""Output that never fails finished work: narrow character sets, closed pipes, full disks."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class SafeStream(io.TextIOBase):
    """A text stream that writes what it can: escapes for characters its encoding lacks, nothing once it is gone.

    Args:
        stream: Where to write; None writes nowhere.

    Attributes:
        failure: What refused the output, if anything did.
        last_line: The last line that was to be written and is not empty.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self.failure: OSError | None = None if stream is not None else OSError(errno.EBADF, os.strerror(errno.EBADF))
        self.last_line = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Return the stream's encoding."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Tell whether the stream is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the stream's file descriptor."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write a text, as far as it can be written. Raises TypeError for bytes, by which click knows a text stream."""
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes text, not {type(text).__name__}")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        self.last_line = lines[-1] if lines else self.last_line
        if self.failure is None and self._stream is not None:
            plain = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            try:
                self._stream.write(plain)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        if self.failure is None and self._stream is not None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Send the rest nowhere: Python would try once more to write it as it ends, and complain."""
        self.failure = error
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
        except (OSError, ValueError):  # not a file of the system
            pass


@contextmanager
def safe_output() -> Iterator[None]:
    """Replace stdout and stderr within the block by safe ones; say on stderr what stdout could not take.

    A pipe that was closed, as by `head`, is no failure.
    """
    before = sys.stdout, sys.stderr
    out, err = SafeStream(sys.stdout), SafeStream(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield
    finally:
        out.flush()
        if out.failure is not None and out.failure.errno != errno.EPIPE and out.last_line:
            why = os.strerror(out.failure.errno) if out.failure.errno else str(out.failure)
            err.write(f"society: the output cannot be written: {why}; its last line: {out.last_line}\n")
        err.flush()
        sys.stdout, sys.stderr = before
