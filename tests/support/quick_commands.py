"""A `society` command for shells that starts in milliseconds: each call is a fork of one process that has all imports.

    with quick_society(folder):
        subprocess.run(["bash", "-c", "society ls | head"], env={"PATH": f"{folder}:{path}"})

A call has its caller's folder, variables, input and outputs, and ends with the command's exit code. Imports, of OASIS
above all, take three seconds of processor in a process of its own; a page has dozens of commands.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NoReturn

ROOT = Path(__file__).parents[2]
SOCKET = ".socket"
IMPORTED = ("pandas", "plotly", "agents.lora_model", "simulation.engine.society", "simulation.tables.run")
CALLER = f"""\
#!{sys.executable} -SE
import json, os, socket, sys
place = os.path.join(os.path.dirname(os.path.abspath(__file__)), {SOCKET!r})
with socket.socket(socket.AF_UNIX) as server:
    server.connect(place)
    call = [os.getcwd(), dict(os.environ), sys.argv[1:]]
    socket.send_fds(server, [b"3"], [0, 1, 2])
    server.sendall(json.dumps(call).encode() + b"\\n")
    sys.exit(int(server.makefile().read() or 1))
"""


@contextmanager
def quick_society(folder: Path) -> Iterator[None]:
    """Put the command `society` into `folder` for the block."""
    caller = folder / "society"
    caller.write_text(CALLER, encoding="utf-8")
    caller.chmod(0o755)
    line = [sys.executable, "-m", "tests.support.quick_commands", str(folder / SOCKET)]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline(), "the server of commands did not start"
        yield  # it ends as its input is closed


def serve(place: str) -> None:
    """Import what commands need, then fork a child for every call, until the input ends."""
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets children that ended
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        os.write(1, b"ready\n")
        while 0 not in select.select([0, listener.fileno()], [], [])[0]:
            call, _ = listener.accept()
            if not os.fork():
                listener.close()
                _answer(call)
            call.close()


def _answer(call: socket.socket) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, given, _, _ = socket.recv_fds(call, 1, 3)
    for number, descriptor in enumerate(given):
        os.dup2(descriptor, number)
        os.close(descriptor)
    folder, variables, arguments = json.loads(call.makefile().readline())
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    code = _run(arguments)
    call.sendall(str(code).encode())
    os._exit(code)


def _run(arguments: list[str]) -> int:
    from simulation.cli.start import main

    script = Path(sys.executable).with_name("society")
    sys.argv = ["society", *arguments]
    sys.path[0] = str(script.parent)  # as the installed command has it
    sys.modules["__main__"] = _main_of(script)
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)  # noqa: T201
            return 1
        return ended.code or 0
    except BaseException:  # noqa: BLE001  what an interpreter does with it
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _main_of(script: Path) -> ModuleType:
    """Return the main module of a process that runs a script: other processes of the same program import the script."""
    main = ModuleType("__main__")
    main.__file__ = str(script)
    return main


if __name__ == "__main__":
    serve(sys.argv[1])
