"""One cell of the grid, in a separate process so that its memory can be measured."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Tier
from benchmarks.societies import NOWHERE, play
from simulation.topology.graph import TopologyKind

CALLS = 2  # calls per agent and step: talk and decide


@dataclass(frozen=True)
class Cell:
    """A society and its number of steps; `latency` is the server's in milliseconds, None on the simulated tier."""

    tier: Tier
    latency: int | None
    topology: TopologyKind
    agents: int
    steps: int

    @property
    def agent_steps(self) -> int:
        return self.agents * self.steps

    @property
    def pairs(self) -> int:
        """The pairs who hear each other in the complete topology; 0 in others, which have few neighbours each."""
        return self.agents * (self.agents - 1) // 2 if self.topology is TopologyKind.COMPLETE else 0

    @property
    def waits(self) -> float:
        """The seconds that the server's latency alone needs."""
        at_once = InferenceSettings().concurrency
        return CALLS * self.steps * -(-self.agents // at_once) * (self.latency or 0) / 1000

    def __str__(self) -> str:
        late = "" if self.latency is None else f" {self.latency} ms"
        return f"{self.tier.value}{late}, {self.topology.value}, {self.agents:,} agents, {self.steps:,} steps"


@dataclass(frozen=True)
class Measured:
    """The figures of a cell.

    Attributes:
        seconds_per_agent_step: The median step, per agent.
        messages_per_second: Over all steps.
        start_mib: Peak resident memory of the process before the society is built, in MiB.
        peak_mib: The same at the end.
    """

    seconds_per_agent_step: float
    messages_per_second: float
    start_mib: float
    peak_mib: float


class CellError(RuntimeError):
    """A cell has no figures; the message says why."""


def measure(cell: Cell, url: str | None, limit: float) -> Measured:
    """Measure a cell in a separate process.

    Args:
        cell: The cell.
        url: The server; None on the simulated tier.
        limit: Seconds after which it is stopped.

    Raises:
        CellError: The cell failed, or was not done in time.
    """
    context = _context()
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_play, args=(cell, url or NOWHERE, theirs))
    process.start()
    theirs.close()
    try:
        if not mine.poll(limit):
            raise CellError(f"not done within {limit:g} s")
        answer = mine.recv()
    except EOFError:
        process.join()
        raise CellError(f"its process ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        mine.close()
    if isinstance(answer, str):
        raise CellError(answer)
    return Measured(**answer)


def _context() -> Any:
    """Return a context that forks from a process with OASIS imported, if the system can: it saves seconds per cell."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["simulation.engine.society", "benchmarks.grid_cell"])
    return context


def _play(cell: Cell, url: str, answer: Connection) -> None:
    start = _peak()
    try:
        alone = cell.tier is Tier.SIMULATED
        watched = asyncio.run(play(cell.agents, cell.steps, cell.tier, url, cell.topology, in_columns=alone))
        if len(watched.steps) != cell.steps:
            raise CellError(f"{len(watched.steps)} steps in place of {cell.steps}")
        rate = watched.messages / sum(watched.steps)
        answer.send(asdict(Measured(median(watched.steps) / cell.agents, rate, start, _peak())))
    except Exception as error:  # noqa: BLE001 - the figures have the error
        answer.send(f"{type(error).__name__}: {error}"[:300])


def _peak() -> float:
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
