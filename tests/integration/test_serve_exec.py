"""`society serve --exec` with the real vLLM: it starts, survives a crash of its server, and leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.integration.vllm.install import vllm_command
from tests.integration.vllm.servers import STARTUP, free_ports, tiny_roster
from tests.integration.vllm.tiny_model import TinyModel

pytestmark = pytest.mark.vllm


def test_serve_exec_keeps_servers_running_until_stopped(tiny: TinyModel, tmp_path: Path) -> None:
    roster, port = tmp_path / "tiny.yaml", free_ports()
    tiny_roster(tiny).save(roster)
    asked = ["serve", str(roster), "--exec", "--cpu", "--base", str(tiny.base), "--vllm", str(vllm_command())]
    command = [
        sys.executable,
        "-m",
        "simulation.cli.app",
        *asked,
        "--port",
        str(port),
        "--logs",
        str(tmp_path / "logs"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as society:
        try:
            assert society.stderr is not None
            until(society.stderr.readline, f"ready; endpoints: [http://127.0.0.1:{port}/v1]")
            engine = processes(str(port))
            assert len(engine) == 1
            os.kill(engine[0], signal.SIGKILL)
            until(society.stderr.readline, "it restarts in 1 s")
            until(society.stderr.readline, "is ready after")
            assert processes(str(port)) != engine
        finally:
            society.send_signal(signal.SIGTERM)
            rest = society.communicate(timeout=60)[1]
    assert "stopping" in rest
    assert society.returncode == 0
    assert processes(str(port)) == []
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/health")
    log = (tmp_path / "logs" / f"{port}.log").read_text()
    assert log.count("Application startup complete") == 2


def until(read: Callable[[], str], words: str) -> None:
    """Read lines up to the one with `words`."""
    deadline, lines = time.monotonic() + STARTUP, [read()]
    while words not in lines[-1]:
        assert lines[-1], f"the output ended before {words!r}: {lines}"
        assert time.monotonic() < deadline, lines
        lines.append(read())


def processes(word: str) -> list[int]:
    """Return the processes of vLLM's API servers that have `word` in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if word in words and "serve" in words and words[1].endswith("/vllm"):
            found.append(int(entry.parent.name))
    return found
