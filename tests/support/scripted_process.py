"""A scripted server in a separate process, for benchmarks and for tests that kill servers."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import scripted_vllm
from tests.support.scripted_vllm import ScriptedVLLM

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class ScriptedProcess:
    """A running server: its `url`, and `kill()` to end its process (SIGKILL: connections break at once)."""

    url: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def scripted_process(adapters: Sequence[str] = ("cooperator", "defector"), *options: str) -> Iterator[ScriptedProcess]:
    """Yield a server for `adapters`; `options` are those of `python -m tests.support.scripted_vllm`.

    It ends with the block, and also if this process dies.
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


async def serve(server: ScriptedVLLM) -> None:
    """Serve until standard input ends, so that the process does not outlive its parent."""
    async with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(sys.stdin, lambda: ended.set() if not os.read(sys.stdin.fileno(), 4096) else None)
        await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=scripted_vllm.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--adapter", action="append", default=[], help="a served name; may be given more than once")
    parser.add_argument("--base", default="base")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds an answer takes")
    parser.add_argument("--slots", type=int, help="answers worked on at once")
    parser.add_argument("--max-model-len", type=int, default=2048)
    parser.add_argument("--api-key-env", help="the environment variable with the key that every /v1 call needs")
    options = parser.parse_args()
    server = ScriptedVLLM(
        options.adapter,
        options.base,
        port=options.port,
        delay=options.delay,
        slots=options.slots,
        max_model_len=options.max_model_len,
        api_key=os.environ[options.api_key_env] if options.api_key_env else None,
    )
    asyncio.run(serve(server))
