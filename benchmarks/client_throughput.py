"""Measure the calls per second of our client, of a bare aiohttp loop and of other clients, on the same server.

    python -m benchmarks.client_throughput                     # answers at once, and after 50 ms
    python -m benchmarks.client_throughput --delay 0 --peer "http tier" --repetitions 9

Every peer makes the same calls with the same bodies, `--concurrency` at a time, to one lean server in a separate
process. The peers alternate within a repetition; a ratio compares a peer with the bare loop of the same repetition. CPU
is the time this process spends on a call: unlike the rate, it hardly depends on other work on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table

from agents.inference.backend import InferenceSettings, as_openai
from agents.inference.client import VLLMClient
from agents.inference.provenance import CallKey, CallRecord, ChatMessage, Purpose, Request, Sampling, Tier
from agents.inference.servers.wire import chat_body
from benchmarks.lean_server import REPLY, lean_server
from benchmarks.measure import Spread, machine, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Ask = Callable[[Request], Awaitable[str]]
ADAPTERS = ("cooperator", "defector", "reciprocator")
RAW = "aiohttp"
PERSONA = "You are a careful negotiator who remembers what was agreed and says so in few words. " * 6
PACKAGES = ("aiohttp", "camel-ai", "openai", "orjson")
OUT = Path(__file__).parent / "results" / "client_throughput.json"

Summary = dict[str, dict[str, Spread]]


@dataclass(frozen=True)
class Sample:
    """One peer's turn: wall-clock `seconds` and `cpu` seconds of this process for all calls."""

    peer: str
    repetition: int
    calls: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


# -- the peers ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def raw_aiohttp(url: str) -> AsyncIterator[Ask]:
    """The minimum that aiohttp needs: encode, post, read, decode."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        headers = {"Content-Type": "application/json"}

        async def ask(request: Request) -> str:
            data = orjson.dumps(chat_body(request))
            async with session.post(f"{url}/chat/completions", data=data, headers=headers) as response:
                return str(orjson.loads(await response.read())["choices"][0]["message"]["content"])

        yield ask


@asynccontextmanager
async def our_client(url: str, tier: Tier) -> AsyncIterator[Ask]:
    records: list[CallRecord] = []
    settings = InferenceSettings(tiers=(tier,), retries=0)
    async with VLLMClient(url, settings=settings, on_call=records.append) as client:

        async def ask(request: Request) -> str:
            return (await client.generate(request)).text

        yield ask


def http_tier(url: str) -> Any:
    return our_client(url, Tier.HTTP)


def camel_tier(url: str) -> Any:
    return our_client(url, Tier.CAMEL)


@asynccontextmanager
async def plain_camel(url: str) -> AsyncIterator[Ask]:
    """CAMEL's VLLMModel, one per adapter, as CAMEL's users have it; its HTTP client is openai's (httpx)."""
    from agents.inference.servers.camel import vllm_model

    models = {adapter: vllm_model(url, adapter, 60.0) for adapter in ADAPTERS}

    async def ask(request: Request) -> str:
        model = models[request.adapter]
        model.model_config_dict = {"temperature": 0.7, "top_p": 1.0, "max_completion_tokens": 64}
        result = await model.arun(as_openai(request.messages))
        return str(result.choices[0].message.content)

    yield ask
    for model in models.values():
        await model._async_client.close()


@asynccontextmanager
async def plain_openai(url: str) -> AsyncIterator[Ask]:
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def ask(request: Request) -> str:
            messages: Any = as_openai(request.messages)
            result = await client.chat.completions.create(
                model=request.adapter, messages=messages, temperature=0.7, top_p=1.0, max_tokens=64
            )
            return str(result.choices[0].message.content)

        yield ask


PEERS: dict[str, Callable[[str], Any]] = {
    RAW: raw_aiohttp,
    "http tier": http_tier,
    "camel tier": camel_tier,
    "CAMEL VLLMModel": plain_camel,
    "openai": plain_openai,
}


# -- measuring ----------------------------------------------------------------------------------------------


def requests(calls: int) -> list[Request]:
    """Return `calls` requests with prompts of about 700 characters; each has its own key, adapters alternate."""
    return [
        Request(
            key=CallKey(0, number, f"m{number % 50}", Purpose.TALK),
            adapter=ADAPTERS[number % len(ADAPTERS)],
            messages=(ChatMessage("system", PERSONA), ChatMessage("user", f"Round {number}: what do you tell them?")),
            sampling=Sampling(max_tokens=64),
        )
        for number in range(calls)
    ]


async def make_calls(ask: Ask, asked: Sequence[Request], concurrency: int) -> None:
    """Make every call, `concurrency` at a time.

    Raises:
        RuntimeError: A reply is not the server's.
    """
    left: Iterator[Request] = iter(asked)

    async def work() -> None:
        for request in left:
            text = await ask(request)
            if text != REPLY:
                raise RuntimeError(f"the server said {REPLY!r} and the client brought {text!r}")

    await asyncio.gather(*(work() for _ in range(concurrency)))


async def measure(url: str, peers: Sequence[str], calls: int, repetitions: int, concurrency: int) -> list[Sample]:
    """Return the samples of every peer. Before each turn, `concurrency` calls open the connections."""
    asked, samples = requests(calls), []
    for repetition, peer in turns(peers, repetitions):
        async with PEERS[peer](url) as ask:
            await make_calls(ask, asked[: 2 * concurrency], concurrency)
            began, cpu = time.perf_counter(), time.process_time()
            await make_calls(ask, asked, concurrency)
            spent = time.perf_counter() - began, time.process_time() - cpu
        samples.append(Sample(peer, repetition, calls, *spent))
        sys.stderr.write(f"{peer}: {samples[-1].rate:.0f} calls/s\n")
    return samples


def summary(samples: Sequence[Sample]) -> Summary:
    """Return for each peer: calls per second, CPU milliseconds per call, and the ratio to the bare loop's rate."""
    raw = {sample.repetition: sample.rate for sample in samples if sample.peer == RAW}
    found: Summary = {}
    for peer in dict.fromkeys(sample.peer for sample in samples):
        own = [sample for sample in samples if sample.peer == peer]
        found[peer] = {
            "calls/s": Spread.of([sample.rate for sample in own]),
            "CPU ms a call": Spread.of([1000 * sample.cpu / sample.calls for sample in own]),
            f"rate : {RAW}": Spread.of([sample.rate / raw[sample.repetition] for sample in own]),
        }
    return found


def show(found: Summary, title: str) -> None:
    table = Table(title=title, title_justify="left", caption="least / middle / most", caption_justify="left")
    for head in ("", *found[RAW]):
        table.add_column(head)
    for peer, row in sorted(found.items(), key=lambda item: -item[1]["calls/s"].middle):
        table.add_row(peer, *map(str, row.values()))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1024, help="calls of each turn")
    parser.add_argument("--repetitions", type=int, default=5, help="turns of each peer")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay", type=float, action="append", help="seconds an answer takes; 0 and 0.05 by default")
    parser.add_argument("--peer", choices=PEERS, action="append", help="compare with the bare loop; default: all")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    options = parser.parse_args()
    peers = list(dict.fromkeys([RAW, *(options.peer or PEERS)]))
    facts, found = machine(), {}
    for delay in options.delay or (0.0, 0.05):
        with lean_server(delay, *ADAPTERS) as url:
            samples = asyncio.run(measure(url, peers, options.calls, options.repetitions, options.concurrency))
        found[f"{delay:g}"] = samples
        show(summary(samples), f"answers take {1000 * delay:g} ms, {options.concurrency} calls at a time")
    report = {
        "machine": facts | {"packages": {name: version(name) for name in PACKAGES}},
        "load_after": machine()["load"],
        "concurrency": options.concurrency,
        "turns": {delay: [asdict(sample) for sample in samples] for delay, samples in found.items()},
        "summary": {delay: summary(samples) for delay, samples in found.items()},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    sys.stdout.write(f"{options.out}\n")


if __name__ == "__main__":
    main()
