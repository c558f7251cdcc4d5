"""Societies of every size, length, latency and topology: what an agent's step takes, and the memory of all.

    python -m benchmarks.grid                        # all cells within the budget
    python -m benchmarks.grid --budget 2000000       # more agent-steps a cell on the simulated tier
    python -m benchmarks.grid --quick                # small sizes
    python -m benchmarks.page                        # its table and picture

Each cell is a process of its own. One that would take more than the budget is left out and says why: no figure is ever
reckoned from another. The reference topology, the small world, has the whole budget; the others, which differ
little from it, a part of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import orjson

from agents.inference.provenance import Tier
from benchmarks.grid_cell import Cell, CellError, measure
from benchmarks.lean_server import lean_server
from benchmarks.measure import machine
from benchmarks.societies import ADAPTERS
from simulation.topology import TopologyKind

OUT = Path(__file__).parent / "results" / "grid.json"
REFERENCE = TopologyKind.SMALL_WORLD
SERVERS: tuple[tuple[Tier, int | None], ...] = ((Tier.SIMULATED, None), (Tier.HTTP, 0), (Tier.HTTP, 50))


@dataclass(frozen=True)
class Sizes:
    agents: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    steps: tuple[int, ...] = (10, 100, 1_000)


@dataclass(frozen=True)
class Budget:
    """The most a cell may take: agent-steps by tier, more of them in the shortest societies, whose size is what they
    are for; seconds of mere waiting; less of both in topologies other than the reference; pairs where all hear all;
    seconds in all."""

    simulated: int = 100_000
    simulated_shortest: int = 1_000_000
    http: int = 10_000
    others: int = 10_000
    waits: float = 20.0
    others_wait: float = 5.0
    pairs: int = 500_000
    seconds: float = 600.0

    def refusal(self, cell: Cell, shortest: int = 0) -> str:
        """Why the cell is left out; empty where it is not. `shortest` are the steps of the shortest societies."""
        most, waits = self._most(cell, shortest), self.waits
        if cell.topology is not REFERENCE:
            most, waits = min(most, self.others), min(waits, self.others_wait)
        if cell.pairs > self.pairs:
            return f"over {self.pairs:,} pairs who hear each other"
        if cell.agent_steps > most:
            return f"over {most:,} agent-steps"
        if cell.waits > waits:
            return f"over {waits:g} s of waiting for the server alone"
        return ""

    def _most(self, cell: Cell, shortest: int) -> int:
        if cell.tier is not Tier.SIMULATED:
            return self.http
        return max(self.simulated, self.simulated_shortest) if cell.steps == shortest else self.simulated


QUICK = Sizes((4, 12), (2, 5)), Budget(40, 40, http=40, others=24, pairs=60, seconds=60)


def cells(sizes: Sizes) -> Iterator[Cell]:
    for (tier, latency), topology, agents, steps in product(SERVERS, TopologyKind, sizes.agents, sizes.steps):
        yield Cell(tier, latency, topology, agents, steps)


def run(sizes: Sizes, budget: Budget) -> Iterator[dict[str, Any]]:
    """Every cell as JSON has it, with either its figures or why it was skipped."""
    with ExitStack() as stack:
        urls: dict[int | None, str | None] = {
            latency: None if latency is None else stack.enter_context(lean_server(latency / 1000, *ADAPTERS))
            for _, latency in SERVERS
        }
        for cell in cells(sizes):
            figures, skipped = None, budget.refusal(cell, min(sizes.steps))
            if not skipped:
                sys.stderr.write(f"{cell} ...\n")
                try:
                    figures = asdict(measure(cell, urls[cell.latency], budget.seconds))
                except CellError as error:
                    skipped = str(error)
                    sys.stderr.write(f"*** NOT MEASURED: {skipped}\n")
            yield asdict(cell) | {"measured": figures, "skipped": skipped}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--budget", type=int, default=Budget.simulated, help="agent-steps a simulated cell may take")
    parser.add_argument("--http-budget", type=int, default=Budget.http, help="agent-steps a served cell may take")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    told = parser.parse_args()
    sizes, budget = QUICK if told.quick else (Sizes(), Budget(simulated=told.budget, http=told.http_budget))
    report: dict[str, Any] = {"machine": machine(), "quick": told.quick, "budget": asdict(budget), "cells": []}
    told.out.parent.mkdir(parents=True, exist_ok=True)
    for cell in run(sizes, budget):
        report["cells"].append(cell)
        report["load_after"] = machine()["load"]
        told.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))  # kept, whatever stops the next
    done = sum(cell["measured"] is not None for cell in report["cells"])
    sys.stdout.write(f"{done} cells measured, {len(report['cells']) - done} skipped: {told.out}\n")


if __name__ == "__main__":
    main()
