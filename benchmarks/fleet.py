"""Compare the balancing policies `least_pending` and `adapter_affinity` on two servers.

    python -m benchmarks.fleet                    # two real vLLM servers on this CPU (make vllm installs it)
    python -m benchmarks.fleet --scripted         # two scripted servers: takes seconds, to test the benchmark itself

The calls are those of one episode of public goods, recorded from a society on the simulated tier with players for each
of 16 adapters. They have the project's own prompts. Calls that a step makes at the same time are sent at the same time.
Every turn uses a different task name, so that no prompt is cached from the turn before. The policies alternate.

Measured: calls per second at the client; the hit rate of the prefix cache as the servers count it
(`vllm:prefix_cache_hits_total` over `..._queries_total` at /metrics, in tokens); which share of an adapter's calls goes
to one server. The servers allow 4 adapters in a batch (`--max-loras 4`), so they must swap adapters if there are more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from agents import ModelConfig, VLLMClient
from agents.inference.backend import InferenceSettings
from agents.inference.provenance import ChatMessage, Reply, Request, Sampling, Tier
from agents.inference.servers.balancing import Balancing
from benchmarks.measure import Spread, machine, turns
from simulation import MultiModelEnvironment, TrainingTask
from simulation.serving.vllm_server import VLLMServer
from simulation.topology.communication import Communication
from simulation.topology.graph import TopologyKind
from tests.integration.vllm.servers import BASE, STARTUP, tiny_commands
from tests.integration.vllm.tiny_model import tiny_model
from tests.support.scripted_process import scripted_process

ADAPTERS = tuple(f"tiny_{number:02}" for number in range(16))
POLICIES = ("least_pending", "adapter_affinity")
MAX_LORAS = 4
MARK = "TASKNAME"
OUT = Path(__file__).parent / "results" / "fleet.json"

DecisionPoint = tuple[Request, ...]


@dataclass(frozen=True)
class Turn:
    """One repetition with one policy. `loyalty` is the share of an adapter's calls that its busier server got."""

    policy: str
    repetition: int
    calls: int
    seconds: float
    hit_rate: float
    loyalty: float

    @property
    def rate(self) -> float:
        return self.calls / self.seconds


async def record(clones: int, steps: int) -> list[DecisionPoint]:
    """Return the requests of one episode, in groups that are made at the same time."""
    made: list[Request] = []
    settings = InferenceSettings(tiers=(Tier.SIMULATED,))
    async with MultiModelEnvironment(
        max_models=len(ADAPTERS) * clones,
        base_model=BASE,
        settings=settings,
        sampling=Sampling(temperature=0.7, max_tokens=16),
        communication=Communication(topology=TopologyKind.RING),
    ) as env:
        for number in range(len(ADAPTERS) * clones):
            name = ADAPTERS[number % len(ADAPTERS)]
            env.add_model(ModelConfig(model_id=f"m{number}", model_name=name))
        generate = env.client.generate

        async def listen(request: Request) -> Reply:
            made.append(replace(request, situation=None))
            return await generate(request)

        env.client.generate = listen  # type: ignore[method-assign]
        await env.run_task(TrainingTask(task_id=MARK, task_type="public_goods", max_steps=steps))
    return [tuple(moment) for _, moment in groupby(made, lambda request: (request.key.step, request.key.purpose))]


def marked(moment: DecisionPoint, tag: str, episode: int) -> DecisionPoint:
    """Return the same requests with another task name."""
    return tuple(
        replace(
            request,
            key=replace(request.key, episode=episode),
            messages=tuple(
                ChatMessage(message.role, message.content.replace(MARK, tag)) for message in request.messages
            ),
        )
        for request in moment
    )


async def play(
    policy: str, repetition: int, urls: Sequence[str], moments: Sequence[DecisionPoint], episode: int
) -> Turn:
    """Send all requests to the servers and read their counters."""
    settings = InferenceSettings(tiers=(Tier.HTTP,), balancing=Balancing(policy), timeout=300)
    asked = [marked(moment, f"{policy}_{episode}", episode) for moment in moments]
    before = await cache_counts(urls)
    async with VLLMClient(endpoints=urls, base_model=BASE, settings=settings) as client:
        await client.detect()
        started = time.perf_counter()
        replies = [reply for moment in asked for reply in await asyncio.gather(*map(client.generate, moment))]
        seconds = time.perf_counter() - started
    queries, hits = (after - start for after, start in zip(await cache_counts(urls), before, strict=True))
    return Turn(policy, repetition, len(replies), seconds, hits / queries, loyalty(replies))


async def cache_counts(urls: Sequence[str]) -> tuple[float, float]:
    """Return the tokens that all servers have looked up and found in their prefix caches since they started."""
    async with aiohttp.ClientSession() as session:
        texts = [await _text(session, url.removesuffix("/v1") + "/metrics") for url in urls]
    return _total(texts, "queries"), _total(texts, "hits")


async def _text(session: aiohttp.ClientSession, url: str) -> str:
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.text()


def _total(texts: Sequence[str], what: str) -> float:
    name = f"vllm:prefix_cache_{what}_total"
    families = [family for text in texts for family in text_string_to_metric_families(text)]
    values = [sample.value for family in families for sample in family.samples if sample.name == name]
    if len(values) < len(texts):
        raise SystemExit(f"a server's /metrics has no {name}")
    return sum(values)


def loyalty(replies: Sequence[Reply]) -> float:
    """Return the share of an adapter's calls that went to its busier server, as a mean over adapters."""
    served: dict[str, Counter[str]] = defaultdict(Counter)
    for reply in replies:
        served[reply.provenance.adapter][reply.provenance.endpoint] += 1
    return sum(max(count.values()) / count.total() for count in served.values()) / len(served)


@contextmanager
def real_pair() -> Iterator[list[str]]:
    """Start two vLLM servers, each on half of the cores."""
    with ExitStack() as stack, tempfile.TemporaryDirectory() as logs:
        commands = tiny_commands(tiny_model(ADAPTERS), replicas=2, max_loras=MAX_LORAS)
        servers = [stack.enter_context(VLLMServer(each, Path(logs) / f"{each.port}.log")) for each in commands]
        for server in servers:
            server.wait_ready(STARTUP)
        yield [server.url for server in servers]


@contextmanager
def scripted_pair() -> Iterator[list[str]]:
    with scripted_process(ADAPTERS, "--base", BASE) as one, scripted_process(ADAPTERS, "--base", BASE) as other:
        yield [one.url, other.url]


async def compare(urls: Sequence[str], moments: Sequence[DecisionPoint], repetitions: int) -> list[Turn]:
    """Return all turns except the first of each policy, which warms up the servers."""
    taken = []
    for episode, (repetition, policy) in enumerate(turns(POLICIES, repetitions + 1)):
        turn = await play(policy, repetition, urls, moments, episode)
        sys.stderr.write(f"{policy}: {turn.rate:.1f} calls/s, {turn.hit_rate:.1%} hit\n")
        if repetition:
            taken.append(turn)
    return taken


def summary(taken: Sequence[Turn]) -> dict[str, dict[str, Spread]]:
    """Return for each figure the spread of each policy, and the ratio within each repetition."""
    figures = {"calls/s": lambda t: t.rate, "hit rate": lambda t: t.hit_rate, "loyalty": lambda t: t.loyalty}
    found: dict[str, dict[str, Spread]] = {}
    for name, figure in figures.items():
        by_policy = {policy: [figure(turn) for turn in taken if turn.policy == policy] for policy in POLICIES}
        first, second = by_policy.values()
        ratios = [new / old for old, new in zip(first, second, strict=True)]
        spreads = {policy: Spread.of(values) for policy, values in by_policy.items()}
        found[name] = spreads | {"ratio": Spread.of(ratios)}
    return found


def show(found: dict[str, dict[str, Spread]], title: str) -> None:
    table = Table(title=title, title_justify="left", caption="least / middle / most", caption_justify="left")
    for head in ("", *POLICIES, "second : first, same repetition"):
        table.add_column(head)
    for name, row in found.items():
        table.add_row(name, *map(str, row.values()))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5, help="turns of each policy, after one to warm up")
    parser.add_argument("--clones", type=int, default=4, help="players of each of the 16 adapters")
    parser.add_argument("--steps", type=int, default=4, help="steps of the episode; in each all talk and all decide")
    parser.add_argument("--scripted", action="store_true", help="scripted servers in place of vLLM")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    options = parser.parse_args()
    moments = asyncio.run(record(options.clones, options.steps))
    facts = machine()
    with scripted_pair() if options.scripted else real_pair() as urls:
        taken = asyncio.run(compare(urls, moments, options.repetitions))
    found = summary(taken)
    calls = sum(map(len, moments))
    servers = "scripted servers" if options.scripted else f"vLLM servers (CPU, --max-loras {MAX_LORAS})"
    show(found, f"two {servers}, {len(ADAPTERS)} adapters, {calls} calls a turn, {options.repetitions} turns each")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": facts,
        "load_after": machine()["load"],
        "servers": servers,
        "adapters": len(ADAPTERS),
        "clones": options.clones,
        "steps": options.steps,
        "turns": [asdict(turn) | {"calls_per_second": turn.rate} for turn in taken],
        "summary": {name: {who: asdict(spread) for who, spread in row.items()} for name, row in found.items()},
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(f"{options.out}\n")


if __name__ == "__main__":
    main()
