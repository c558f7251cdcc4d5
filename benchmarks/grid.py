"""Measure the time of a step and the memory for societies of every size, length, latency and topology.

    python -m benchmarks.grid                        # all cells within the budget
    python -m benchmarks.grid --budget 2000000       # more agent-steps per cell on the simulated tier
    python -m benchmarks.grid --quick                # small sizes
    python -m benchmarks.page                        # write its table and picture

Each cell runs in a separate process. A cell above the budget is left out, with the reason: no figure is extrapolated
from others. The reference topology, the small world, has the full budget. The other topologies differ little from it
and have a part of it.
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
from simulation.topology.graph import TopologyKind

OUT = Path(__file__).parent / "results" / "grid.json"
REFERENCE = TopologyKind.SMALL_WORLD
SERVERS: tuple[tuple[Tier, int | None], ...] = ((Tier.SIMULATED, None), (Tier.HTTP, 0), (Tier.HTTP, 50))


@dataclass(frozen=True)
class Sizes:
    agents: tuple[int, ...] = (10, 100, 1_000, 10_000, 100_000)
    steps: tuple[int, ...] = (10, 100, 1_000)


@dataclass(frozen=True)
class Budget:
    """The most that a cell may need.

    Attributes:
        simulated: Agent-steps on the simulated tier.
        simulated_shortest: The same for the shortest societies, which can be larger.
        http: Agent-steps on the tier http.
        others: Agent-steps in topologies other than the reference.
        waits: Seconds of waiting for the server alone.
        others_wait: The same in topologies other than the reference.
        pairs: Pairs who hear each other.
        seconds: Seconds in all.
    """

    simulated: int = 1_000_000
    simulated_shortest: int = 1_000_000
    http: int = 10_000
    others: int = 100_000
    waits: float = 20.0
    others_wait: float = 5.0
    pairs: int = 500_000
    seconds: float = 600.0

    def refusal(self, cell: Cell, shortest: int = 0) -> str:
        """Return why the cell is left out, or an empty string; `shortest` is the least number of steps in the grid."""
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
    """Yield every cell as for JSON, with its figures or the reason why it was skipped."""
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
    options = parser.parse_args()
    sizes, budget = QUICK if options.quick else (Sizes(), Budget(simulated=options.budget, http=options.http_budget))
    report: dict[str, Any] = {"machine": machine(), "quick": options.quick, "budget": asdict(budget), "cells": []}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for cell in run(sizes, budget):
        report["cells"].append(cell)
        report["load_after"] = machine()["load"]
        options.out.write_bytes(
            orjson.dumps(report, option=orjson.OPT_INDENT_2)
        )  # after each cell: an error loses no figures
    done = sum(cell["measured"] is not None for cell in report["cells"])
    sys.stdout.write(f"{done} cells measured, {len(report['cells']) - done} skipped: {options.out}\n")


if __name__ == "__main__":
    main()
