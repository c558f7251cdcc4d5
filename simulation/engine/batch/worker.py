"""The program of a worker process: it carries out orders until the process that started it is gone."""

from __future__ import annotations

import os
import signal
import sys

from simulation.engine.batch.processes import read_frame, write_frame
from simulation.engine.batch.workers import Desk, packed
from simulation.engine.gc_tuning import reduced_gc


def main() -> None:
    """Read orders from standard input and write answers to standard output, to which nothing else is printed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a parent that was killed reads no answer: end without a word
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    desk = Desk()
    with reduced_gc():
        while (order := read_frame(sys.stdin.buffer)) is not None:
            found = desk.carry_out(order)
            if found is not None:
                write_frame(answers, packed(found))


if __name__ == "__main__":
    main()
