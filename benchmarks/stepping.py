"""How much faster a society is where models wait only for their neighbours, with a stub server of long-tailed latency.

    python -m benchmarks.stepping
    python -m benchmarks.stepping --models 64 --delay 0.05 --repetitions 5

The stub (`benchmarks.lean_server`) answers over HTTP with fixed replies after a log-normal latency, which the
request's own bytes decide: both ways of stepping ask the same and wait equally long for each reply. No model computes
anything, so this measures waiting, not inference: a real server slows down under load. Each repetition has another seed
and plays both ways, in turns; their messages, decisions and payoffs must be equal. The ratio is the time of `together`
over that of `by_neighbours`; figures are the minimum / median / maximum of the repetitions.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import orjson
from rich.console import Console
from rich.table import Table

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Tier
from benchmarks.lean_server import lean_server
from benchmarks.measure import Spread, machine, turns
from benchmarks.societies import ADAPTERS, rows
from simulation.engine.environment import MultiModelEnvironment
from simulation.store.events import DecisionMade, Event, MessageSent, StepResolved
from simulation.task import TrainingTask
from simulation.topology.communication import Communication, Stepping
from simulation.topology.graph import TopologyKind

OUT = Path(__file__).parent / "results" / "stepping.json"
GAMES = ("opinion", "prisoners_dilemma", "public_goods")
TOPOLOGIES = (TopologyKind.RING, TopologyKind.SMALL_WORLD)


@dataclass(frozen=True)
class Compared:
    """The seconds of an episode in both ways, and their ratio, per repetition."""

    game: str
    topology: str
    together: list[float]
    by_neighbours: list[float]

    @property
    def ratios(self) -> list[float]:
        """Return how many times as long playing together takes, per repetition."""
        return [a / b for a, b in zip(self.together, self.by_neighbours, strict=True)]


class Played(NamedTuple):
    """The seconds of an episode, and what was played: messages, decisions and payoffs in their order."""

    seconds: float
    events: list[tuple[object, ...]]


async def play(
    url: str, options: argparse.Namespace, game: str, topology: TopologyKind, stepping: Stepping, seed: int
) -> Played:
    """Play one episode at a server; every model may have a call open."""
    events: list[tuple[object, ...]] = []
    environment = MultiModelEnvironment(
        url,
        max_models=options.models,
        settings=InferenceSettings(
            tiers=(Tier.HTTP,), retries=0, timeout=300, deadline=600, concurrency=options.models
        ),
        communication=Communication(topology=topology, stepping=stepping),
        on_event=lambda event: events.extend(played(event)),
        seed=seed,
    )
    for row in rows(options.models):
        environment.add_model(row)
    async with environment:
        await environment.client.detect()
        started = time.perf_counter()
        await environment.run_task(TrainingTask(task_id="bench", task_type=game, max_steps=options.steps))
        return Played(time.perf_counter() - started, events)


def played(event: Event) -> Iterator[tuple[object, ...]]:
    """Yield what must not depend on who waits for whom."""
    if isinstance(event, MessageSent):
        yield event.step, event.sender, event.audience, event.text, event.oasis_message_id
    elif isinstance(event, DecisionMade):
        yield event.step, event.model_id, event.action
    elif isinstance(event, StepResolved):
        yield event.step, event.rows


def compare(url: str, options: argparse.Namespace, game: str, topology: TopologyKind) -> Compared:
    """Return the times of a game on a topology. Raises AssertionError where the two ways play differently."""
    found: dict[Stepping, list[Played]] = {stepping: [] for stepping in Stepping}
    for seed, stepping in turns(tuple(Stepping), options.repetitions):
        found[stepping].append(asyncio.run(play(url, options, game, topology, stepping, seed)))
    together, by_neighbours = found[Stepping.TOGETHER], found[Stepping.BY_NEIGHBOURS]
    assert [each.events for each in together] == [each.events for each in by_neighbours]
    seconds = ([each.seconds for each in way] for way in (together, by_neighbours))
    return Compared(game, topology.value, *seconds)


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of a command line; the process's own by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=256)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--delay", type=float, default=0.2, help="the median of the latency, in seconds")
    parser.add_argument("--sigma", type=float, default=1.0, help="the spread of its logarithm")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    return parser.parse_args(arguments)


def main() -> None:
    chosen = options()
    facts = machine()
    with lean_server(0.0, *ADAPTERS) as url:  # the first episode of a process imports OASIS
        few = argparse.Namespace(**{**vars(chosen), "models": 4, "steps": 1})
        asyncio.run(play(url, few, GAMES[0], TOPOLOGIES[0], Stepping.TOGETHER, 0))
    with lean_server(chosen.delay, *ADAPTERS, sigma=chosen.sigma) as url:
        found = [compare(url, chosen, game, topology) for game in GAMES for topology in TOPOLOGIES]
    show(chosen, found)
    settings = {name: getattr(chosen, name) for name in ("models", "steps", "delay", "sigma", "repetitions")}
    figures = [{**asdict(each), "ratios": each.ratios} for each in found]
    body = {"server": "stub", "machine": facts, "settings": settings, "figures": figures}
    chosen.out.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")


def show(options: argparse.Namespace, found: list[Compared]) -> None:
    title = (
        f"{options.models} models, {options.steps} steps, stub server, log-normal latency of median {options.delay} s, "
        f"sigma {options.sigma}: least / middle / most"
    )
    table = Table(title=title, title_justify="left")
    for head in ("game", "topology", "together, s", "by neighbours, s", "ratio"):
        table.add_column(head)
    for each in found:
        spreads = (str(Spread.of(values)) for values in (each.together, each.by_neighbours, each.ratios))
        table.add_row(each.game, each.topology, *spreads)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
