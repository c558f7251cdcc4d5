"""Runs a command that must not outlive us: `python leash.py COMMAND...` ends it when standard input ends.

The one who starts it holds the other end of that pipe, so the command ends with him however he ends. It stands by
itself, imports nothing of ours, and leads a process group of its own, which it clears.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 10.0  # seconds between asking and killing


def main() -> int:
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the group's is meant for the command; this waits for its end
    threading.Thread(target=_watch, daemon=True).start()
    return command.wait()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
