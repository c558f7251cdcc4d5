"""Worker processes of this machine that compute answers. They end with the process that started them.

Each is `python -m simulation.engine.batch.worker`: it imports this package and nothing of the program that started it,
so a script or a notebook needs no guard around its main part. Orders go in by its standard input and answers come out
by its standard output, each with its length before it.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import IO

from simulation.engine.batch.workers import LostWorkerError, unpacked

_LENGTH = struct.Struct("<Q")


class ProcessWorker:
    """An `AnswerWorker` that is a process of this machine."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "simulation.engine.batch.worker"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    @property
    def pid(self) -> int:
        """Return the process's number."""
        return self._process.pid

    def submit(self, order: bytes) -> None:
        """Send an order, as `AnswerWorker.submit`."""
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, order)
        except (OSError, ValueError) as error:
            raise LostWorkerError(str(error)) from error

    def result(self) -> object:
        """Wait for the answer to the last question, as `AnswerWorker.result`."""
        assert self._process.stdout is not None
        try:
            found = read_frame(self._process.stdout)
        except ValueError as error:  # another thread has ended the process
            raise LostWorkerError(str(error)) from error
        if found is None:
            raise LostWorkerError(f"process {self.pid} ended with {self._process.wait()}")
        return unpacked(found)

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def write_frame(stream: IO[bytes], content: bytes) -> None:
    """Write bytes with their length before them."""
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read what `write_frame` wrote; None where the other end is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None
