"""Run a command that must not outlive its parent: `python parent_guard.py COMMAND...`.

The parent process has the other end of our standard input. When the parent ends, even if it is killed, standard input
ends, and the command is stopped. SIGTERM is passed on to the command, which ends its own children. This file is run as
a script and imports nothing of the project.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 10.0  # seconds between SIGTERM and SIGKILL


def main() -> int:
    """Run the command in `sys.argv` and return its exit code."""
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
