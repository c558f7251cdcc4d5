"""Runs a command that must not outlive us: `python parent_guard.py COMMAND...` ends it when standard input ends.

The one who starts it holds the other end of that pipe, so the command ends with him however he ends. SIGTERM is
passed on to the command, which ends its own children. This file stands by itself and imports nothing of ours.
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
    signal.signal(signal.SIGTERM, lambda *_: command.terminate())
    threading.Thread(target=_watch, args=(command,), daemon=True).start()
    return command.wait()


def _watch(command: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    command.terminate()
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
