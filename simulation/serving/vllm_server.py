"""One vLLM server as processes of this machine: start, wait until ready, stop, kill, restart.

A server is a process group (an API server and the engine that it starts) under `parent_guard`: it ends with the process
that started it, even if that process is killed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from agents.inference.vllm.serve_command import ServeCommand
from agents.problems import SocietyError
from simulation.serving import parent_guard

READY_TIMEOUT = 600.0  # seconds; a large model takes minutes to load
STOP_TIMEOUT = 15.0
GROUP_TIMEOUT = 3.0
ASK_TIMEOUT = 2.0
PAUSE = 0.1
TAIL = 25  # lines of the log that an error shows
_CAUSE = 300


class ServerFailedError(SocietyError):
    """A server did not become ready; the message has the end of its log."""


class VLLMServer:
    """One `vllm serve` process: `start`, `wait_ready`, then `stop` or `kill`. A restart uses the same port.

    Args:
        command: The command line and the address.
        log: The file to which its output is appended.
        environment: The environment it inherits; by default this process's.
    """

    def __init__(self, command: ServeCommand, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.log = log
        self._environment = command.whole_environment(os.environ if environment is None else environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._ended: int | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """The URL of its API."""
        return self.command.url

    @property
    def running(self) -> bool:
        """True while its process runs, ready or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code of its last process; None before the first one and while one runs."""
        return self._process.poll() if self._process else self._ended

    def __enter__(self) -> VLLMServer:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, without waiting until it is ready.

        Raises:
            ServerFailedError: It runs already, another server answers at its port, or vLLM is not on the PATH.
        """
        if self.running:
            raise ServerFailedError(f"the server at {self.url} is already running")
        self._clear()
        if self.healthy():
            raise ServerFailedError(f"another server answers at {self.command.root}; stop it, or choose another --port")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._spawn(log)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        program = self.command.argv[0]
        if shutil.which(program, path=self._environment.get("PATH")) is None:
            raise ServerFailedError(f"{program} is not on the PATH; --vllm names vLLM's executable")
        return subprocess.Popen(
            [sys.executable, parent_guard.__file__, *self.command.argv],
            env=self._environment,
            stdin=subprocess.PIPE,  # for parent_guard: it closes when this process ends
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def healthy(self) -> bool:
        """Return whether its /health answers now."""
        try:
            with build_opener(ProxyHandler({})).open(f"{self.command.root}/health", timeout=ASK_TIMEOUT) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until it answers.

        Args:
            timeout: Seconds.

        Raises:
            ServerFailedError: It ended, or did not answer in time; the message has the end of its log.
        """
        deadline = time.monotonic() + timeout
        while not self.healthy():
            if not self.running:
                raise ServerFailedError(self.failure(f"ended with exit code {self.exit_code} before it answered"))
            if time.monotonic() > deadline:
                raise ServerFailedError(self.failure(f"did not answer within {timeout:g} s"))
            time.sleep(PAUSE)

    def failure(self, what: str) -> str:
        """Return a message that says `what` happened to this server, with the cause where it is known, and its log."""
        text = self._written()
        if text is None:
            return f"the server at {self.url} {what}; {self.log} cannot be read"
        cause, end = cause_in(text), "\n".join(f"  {line}" for line in text.splitlines()[-TAIL:])
        told = f"; the cause: {cause}" if cause else ""
        return f"the server at {self.url} {what}{told}; the end of {self.log}:\n{end or '  (it wrote nothing)'}"

    def _written(self) -> str | None:
        """Return what the current process wrote; None where it cannot be read."""
        with suppress(OSError):
            return self.log.read_bytes()[self._log_start :].decode(errors="replace")
        return None

    def stop(self) -> None:
        """Stop it with SIGTERM; kill its whole process group if it does not end within STOP_TIMEOUT seconds."""
        process = self._process
        if process is not None and self.running:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT)
            self._wait_for_group(GROUP_TIMEOUT)
        self._clear()

    def kill(self) -> None:
        """Kill its whole process group at once."""
        self._clear()

    def restart(self, timeout: float = READY_TIMEOUT) -> None:
        """Stop it if it runs, start it on the same port, and wait until it answers."""
        self.stop()
        self.start()
        self.wait_ready(timeout)

    def _clear(self) -> None:
        """Kill what is left of the process group: also the engine, if only the API server has ended."""
        process = self._process
        if process is None:
            return
        self._signal(signal.SIGKILL)
        process.wait()
        self._wait_for_group(GROUP_TIMEOUT)
        assert process.stdin is not None
        process.stdin.close()
        self._process, self._ended = None, process.returncode

    def _wait_for_group(self, timeout: float) -> None:
        """Wait until the process group is gone: the engine frees memory and port after the API server has ended."""
        deadline = time.monotonic() + timeout
        while self._signal(0) and time.monotonic() < deadline:
            time.sleep(PAUSE / 2)

    def _signal(self, number: int) -> bool:
        """Send the process group a signal (0: none); return False if all its processes have ended."""
        assert self._process is not None
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True


_ERROR = re.compile(r"(?:^|\s)((?:[\w.]+\.)?\w*Error): (\S.*)$", re.MULTILINE)
_GENERIC = "See root cause above"
_FIXES = (
    ("CPU memory utilization", "serve with --cpu, and --kv-space GIB for what its cache may take"),
    ("GPU memory utilization", "give it less: --extra '--gpu-memory-utilization 0.5'"),
    ("out of memory", "serve fewer adapters at once (--max-loras), or a smaller --max-model-len"),
    ("No available memory for the cache", "give it more: --extra '--gpu-memory-utilization 0.95'"),
)


def cause_in(log: str) -> str:
    """Return the first error in a log that does not refer to another, with a fix where it is known; empty without one.

    vLLM ends with an error that says only that there was one before, hundreds of lines above.
    """
    for kind, text in _ERROR.findall(log):
        if _GENERIC not in text:
            fix = next((fix for words, fix in _FIXES if words in text), "")
            return f"{kind}: {text[:_CAUSE]}" + (f" ({fix})" if fix else "")
    return ""


def openmp_library(vllm: str) -> Path | None:
    """Return the path of Intel's OpenMP library in the environment of the executable `vllm`, or None.

    CPU builds of vLLM are tuned for it.
    """
    found = shutil.which(vllm)
    library = Path(found).parent.parent / "lib" / "libiomp5.so" if found else None
    return library if library and library.is_file() else None


def own_cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))
