"""A scripted server in a process of its own, for benchmarks and for tests that kill servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class ScriptedProcess:
    """A running server: its `url`, and the process to `kill()` (SIGKILL: connections break at once)."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def scripted_process(adapters: Sequence[str] = ("cooperator", "defector"), *options: str) -> Iterator[ScriptedProcess]:
    """A server for `adapters`; `options` are those of `python -m tests.support.scripted_vllm`.

    It ends with the block, and by itself when this process dies.
    """
    named = [argument for name in adapters for argument in ("--adapter", name)]
    command = [sys.executable, "-m", "tests.support.scripted_vllm", *named, *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"the scripted server ended at once with {process.wait()}: {' '.join(command)}")
            yield ScriptedProcess(url, process)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
