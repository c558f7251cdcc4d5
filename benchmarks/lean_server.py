"""A minimal server that answers like vLLM, so that a benchmark of clients measures the clients.

    python -m benchmarks.lean_server --delay 0.05

It reads requests by their Content-Length and answers every chat call with one short reply. If the call is constrained
to choices, it answers with the first one; otherwise a society would repeat every decision call. It lists its models.
With `--sigma` the latency is log-normal, with `--delay` as its median; a request's own bytes decide its latency, so
that two runs that ask the same wait equally long.

The first line printed is the URL. It ends when its standard input ends. The scripted server of the tests can do more
(faults, caches, loading of adapters) and needs about five times as long per call.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parent.parent
REPLY = "I will cooperate as long as you do."


class LeanServer(asyncio.Protocol):
    """One connection. `delay` is the seconds before an answer, `sigma` the spread of their logarithm."""

    def __init__(self, delay: float, sigma: float, models: list[str]) -> None:
        self._delay, self._sigma = delay, sigma
        self._models = models
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        length = _content_length(head)
        if not found or len(rest) < length:
            return
        self._received = rest[length:]
        answer = self._answer(head, rest[:length])
        if self._delay and head.startswith(b"POST"):
            asyncio.get_running_loop().call_later(self._latency(rest[:length]), self._write, answer)
        else:
            self._write(answer)

    def _latency(self, body: bytes) -> float:
        return self._delay * random.Random(body).lognormvariate(0.0, self._sigma) if self._sigma else self._delay

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST"):
            payload = completion(orjson.loads(body))
        elif b"/models" in head.split(b"\r\n", 1)[0]:
            payload = {"object": "list", "data": [{"id": name, "object": "model"} for name in self._models]}
        else:
            payload = {}
        text = orjson.dumps(payload)
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


def completion(asked: dict[str, Any]) -> dict[str, object]:
    choices = asked.get("structured_outputs", {}).get("choice", (REPLY,))
    message = {"role": "assistant", "content": choices[0], "tool_calls": []}
    return {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "total_tokens": 210, "completion_tokens": 10},
    }


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@contextmanager
def lean_server(delay: float, *models: str, sigma: float = 0.0) -> Iterator[str]:
    """Yield the URL of a server in a separate process, which ends with the block.

    Raises:
        RuntimeError: It did not start.
    """
    named = [part for name in models for part in ("--model", name)]
    command = [sys.executable, "-m", "benchmarks.lean_server", "--delay", str(delay), "--sigma", str(sigma), *named]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the benchmark's server did not start; its error stands above")
            yield url
        finally:
            process.stdin.close()
            process.wait(timeout=5)


async def serve(delay: float, sigma: float, models: list[str]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: LeanServer(delay, sigma, models), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, lambda: ended.set() if not os.read(sys.stdin.fileno(), 4096) else None)
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds an answer takes")
    parser.add_argument("--sigma", type=float, default=0.0, help="the spread of its logarithm; 0 is the same for all")
    parser.add_argument("--model", action="append", default=[], help="a served name; may be given more than once")
    options = parser.parse_args()
    asyncio.run(serve(options.delay, options.sigma, options.model))


if __name__ == "__main__":
    main()
