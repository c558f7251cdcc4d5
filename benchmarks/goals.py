"""The benchmarks with goals; each returns its figures, one per repetition."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from agents.inference.client import VLLMClient
from agents.inference.provenance import Tier
from benchmarks.lean_server import lean_server
from benchmarks.measure import ROOT, Spread
from benchmarks.societies import ADAPTERS, NOWHERE, play, rows

BATCH = 256
"""Concurrent calls of every peer: the default batch size of a vLLM server (`--max-num-seqs`)."""


@dataclass(frozen=True)
class Result:
    """A figure and its goal: the median of `values` must be at least `target`, or at most if `at_most` is set."""

    name: str
    unit: str
    values: tuple[float, ...]
    target: float
    at_most: bool
    detail: str

    @property
    def goal(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {self.target:g} {self.unit}"

    @property
    def met(self) -> bool:
        middle = median(self.values)
        return middle <= self.target if self.at_most else middle >= self.target

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"spread": asdict(Spread.of(self.values)), "goal": self.goal, "met": self.met}


def build(quick: bool) -> list[Result]:
    """Time and memory to build the same number of agents on both sides."""
    from agents.lora_model import LoRAModel
    from benchmarks.peers import social_agents

    n, ratios, seconds = 100 if quick else 1000, [], []
    configs, client = rows(n), VLLMClient(NOWHERE)
    for _ in range(1 if quick else 3):
        began = time.perf_counter()
        ours = [LoRAModel(number, config, client) for number, config in enumerate(configs)]
        mine = time.perf_counter() - began
        began = time.perf_counter()
        social_agents(n, NOWHERE, None)
        ratios.append((time.perf_counter() - began) / mine)
        seconds.append(mine)
    tracemalloc.start()
    ours = [LoRAModel(number, config, client) for number, config in enumerate(configs)]
    size = tracemalloc.get_traced_memory()[0] / len(ours) / 1000
    tracemalloc.stop()
    took = f"{n} LoRAModels in {median(seconds):.3g} s against {n} SocialAgents with 29 tools"
    return [
        Result("building agents", "x", tuple(ratios), 100, False, took),
        Result("memory of an agent", "kB", (size,), 5, True, "traced allocations of a LoRAModel"),
    ]


def actions(quick: bool) -> list[Result]:
    return asyncio.run(_actions(1 if quick else 5))


async def _actions(repetitions: int) -> list[Result]:
    from benchmarks.peers import plain_oasis
    from simulation.engine.society import Society
    from simulation.topology.graph import TopologyKind, build_topology

    ratios, configs = [], rows(2)
    with TemporaryDirectory() as name:
        topology = build_topology(TopologyKind.COMPLETE, [row.model_id for row in configs], 0)
        async with (
            plain_oasis(2, NOWHERE, None, Path(name)) as plain,
            Society(configs, VLLMClient(NOWHERE), topology, Path(name)) as ours,
        ):
            for _ in range(repetitions):
                spent = []
                for agent in (plain.agent_graph.get_agent(0), ours.agents[0]):
                    group = (await agent.env.action.create_group("g"))["group_id"]
                    began = time.perf_counter()
                    for number in range(20):
                        await agent.env.action.send_to_group(group, f"message {number}")
                    spent.append(time.perf_counter() - began)
                ratios.append(spent[0] / spent[1])
    return [Result("twenty platform actions", "x", tuple(ratios), 100, False, "messages sent one after the other")]


def step(quick: bool) -> list[Result]:
    """Our step has two calls per agent (talk, decide); a step of plain OASIS is one LLMAction per agent."""
    from benchmarks.client_throughput import make_calls, raw_aiohttp, requests
    from benchmarks.peers import TWO_TOOLS, plain_oasis, plain_step

    n, repetitions = (100, 1) if quick else (1000, 3)
    found: dict[str, list[float]] = {"29 tools": [], "2 tools": [], "raw aiohttp": []}
    made, seconds = 0, []

    async def plain(url: str, tools: Any) -> float:
        with TemporaryDirectory() as name:
            async with plain_oasis(n, url, tools, Path(name), BATCH) as environment:
                began = time.perf_counter()
                await plain_step(environment)
                return time.perf_counter() - began

    async def raw(url: str) -> float:
        async with raw_aiohttp(url) as ask:
            asked = requests(made)
            await make_calls(ask, asked[: 2 * BATCH], BATCH)
            began = time.perf_counter()
            await make_calls(ask, asked, BATCH)
            return time.perf_counter() - began

    with lean_server(0.05, *ADAPTERS) as url:
        for _ in range(repetitions):
            watched = asyncio.run(play(n, 2, Tier.HTTP, url, concurrency=BATCH))
            ours, made = watched.steps[1], watched.calls // 2
            seconds.append(ours)
            found["raw aiohttp"].append(ours / asyncio.run(raw(url)))
            found["2 tools"].append(asyncio.run(plain(url, TWO_TOOLS)) / ours)
            found["29 tools"].append(asyncio.run(plain(url, None)) / ours)
    of = f"{n} agents, server of 50 ms, {BATCH} at once on all sides; ours talks and decides in {median(seconds):.3g} s"
    return [
        Result("a step against LLMAction, 29 tools", "x", tuple(found["29 tools"]), 40, False, of),
        Result("a step against LLMAction, 2 tools", "x", tuple(found["2 tools"]), 10, False, of),
        Result(
            "a step's time over raw aiohttp's", "x", tuple(found["raw aiohttp"]), 2, True, f"{made} calls on both sides"
        ),
    ]


def inference(quick: bool) -> list[Result]:
    """Calls per second of the tier http against a bare aiohttp loop; the two alternate."""
    from benchmarks.client_throughput import RAW, measure

    with lean_server(0.05, *ADAPTERS) as url:
        samples = asyncio.run(measure(url, (RAW, "http tier"), 1024, 1 if quick else 5, 64))
    raw = {sample.repetition: sample.rate for sample in samples if sample.peer == RAW}
    ratios = tuple(sample.rate / raw[sample.repetition] for sample in samples if sample.peer != RAW)
    return [Result("inference over raw aiohttp", "x", ratios, 0.9, False, "1024 calls of 50 ms, 64 at once")]


def load(quick: bool) -> list[Result]:
    from benchmarks.load_runs import measure

    runs = 50 if quick else 1000
    tables = measure(runs, 1 if quick else 3)["tables"]
    return [
        Result(
            f"{runs} runs into one DataFrame",
            "s",
            tuple(found["seconds"]["load_runs"]),
            10,
            True,
            f"{found['rows']} {table}; pandas.concat of load_run takes {median(found['ratio']):.3g} times as long",
        )
        for table, found in tables.items()
    ]


def steps(quick: bool) -> list[Result]:
    """The median of the last twenty steps against that of steps 6 to 25."""
    count, ratios = 100 if quick else 1000, []
    for _ in range(1 if quick else 3):
        taken = asyncio.run(play(10, count)).steps
        ratios.append(median(taken[-20:]) / median(taken[5:25]))
    return [
        Result(f"step {count} over step 10", "x", tuple(ratios), 1.2, True, "10 simulated agents, medians of 20 steps")
    ]


def prompts(quick: bool) -> list[Result]:
    """The same run with stored prompts and without, in turns."""
    from benchmarks.stored_prompts import STEPS, measure

    n = 100 if quick else 1000
    costs = measure(n, 1 if quick else 5)
    of = f"{n} simulated agents, median of {STEPS} steps, against the same run with `prompts: off`"
    size = f"{n} simulated agents: bytes of the stored prompts against those of the event log"
    return [
        Result("a step with stored prompts", "x", tuple(cost.time for cost in costs), 1.1, True, of),
        Result("stored prompts", "x", tuple(cost.size for cost in costs), 1.0, True, size),
    ]


def start(quick: bool) -> list[Result]:
    spent: dict[str, list[float]] = {"help": [], "first": [], "own": []}
    command = "from simulation.cli.start import main; main()"
    first = "import asyncio; from benchmarks.societies import play; asyncio.run(play(2, 1))"
    for _ in range(1 if quick else 5):
        spent["help"].append(_timed(command, "--help"))
        whole = _timed(first)
        spent["first"].append(whole)
        spent["own"].append(
            whole - _timed("from agents.oasis_import import contained_import\nwith contained_import(): import oasis")
        )
    return [
        Result("society --help", "s", tuple(spent["help"]), 0.5, True, "a process of its own"),
        Result(
            "first simulated message", "s", tuple(spent["first"]), 2.5, True, "a process and an episode of one step"
        ),
        Result("first message without import oasis", "s", tuple(spent["own"]), 1.5, True, "against a bare import"),
    ]


def _timed(code: str, *arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - began


BENCHMARKS: dict[str, Callable[[bool], list[Result]]] = {
    "build": build,
    "actions": actions,
    "step": step,
    "inference": inference,
    "steps": steps,
    "prompts": prompts,
    "load": load,
    "start": start,
}
