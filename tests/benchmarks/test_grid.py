"""Every cell of the grid is measured or says why not; its section of the page is made from the figures alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agents.inference.provenance import Tier
from benchmarks.grid import QUICK, Budget, Sizes, cells
from benchmarks.grid_cell import Cell, CellError, measure
from benchmarks.grid_page import draw, grid_rows
from benchmarks.page import committed, page
from simulation.topology.graph import TopologyKind

ROOT = Path(__file__).parents[2]
SMALL, RING, COMPLETE = TopologyKind.SMALL_WORLD, TopologyKind.RING, TopologyKind.COMPLETE
FIGURES = {"seconds_per_agent_step": 0.002, "messages_per_second": 1234.0, "start_mib": 400.0, "peak_mib": 450.0}


def row(topology: str, agents: int, skipped: str = "") -> dict[str, object]:
    size = {"tier": "simulated", "latency": None, "topology": topology, "agents": agents, "steps": 10}
    return {**size, "measured": None if skipped else FIGURES, "skipped": skipped}


def report(*rows: dict[str, object]) -> dict[str, object]:
    facts = {"cpu": "a CPU", "cores": 2, "when": "today", "commit": "abc", "load": [0.1, 0.1, 0.1]}
    return {"machine": facts, "load_after": [0.2, 0.2, 0.2], "quick": False, "cells": list(rows)}


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (Cell(Tier.SIMULATED, None, SMALL, 10, 10), ""),
        (Cell(Tier.SIMULATED, None, SMALL, 10, 1000), "over 1,000 agent-steps"),
        (Cell(Tier.HTTP, 0, SMALL, 100, 10), "over 500 agent-steps"),
        (Cell(Tier.SIMULATED, None, RING, 100, 10), "over 200 agent-steps"),
        (Cell(Tier.SIMULATED, None, COMPLETE, 100, 1), "over 1,000 pairs who hear each other"),
        (Cell(Tier.SIMULATED, None, SMALL, 1000, 5), ""),
        (Cell(Tier.SIMULATED, None, RING, 1000, 5), "over 200 agent-steps"),
        (Cell(Tier.HTTP, 50, RING, 2, 15), "over 1 s of waiting for the server alone"),
        (Cell(Tier.HTTP, 50, SMALL, 2, 100), "over 5 s of waiting for the server alone"),
    ],
)
def test_refusal_says_why_a_cell_is_over_the_budget(cell: Cell, reason: str) -> None:
    budget = Budget(1000, 5000, http=500, others=200, waits=5, others_wait=1, pairs=1000)
    assert budget.refusal(cell, 5) == reason


def test_waits_depends_on_concurrent_calls() -> None:
    assert Cell(Tier.HTTP, 50, SMALL, 10, 10).waits == pytest.approx(1.0)
    assert Cell(Tier.HTTP, 50, SMALL, 65, 10).waits == pytest.approx(2.0)
    assert Cell(Tier.SIMULATED, None, SMALL, 65, 10).waits == 0


def test_cells_is_complete_and_quick_has_measured_and_refused() -> None:
    assert len({*cells(Sizes())}) == 3 * len(TopologyKind) * 5 * 3
    sizes, budget = QUICK
    assert {bool(budget.refusal(cell, min(sizes.steps))) for cell in cells(sizes)} == {True, False}


@pytest.mark.slow
def test_slow_cell_has_no_figures() -> None:
    with pytest.raises(CellError, match="not done within 0 s"):
        measure(Cell(Tier.SIMULATED, None, SMALL, 1000, 1000), None, 0)


@pytest.mark.slow
def test_quick_grid_measures_every_cell_or_says_why_not(tmp_path: Path) -> None:
    out = tmp_path / "grid.json"
    command = [sys.executable, "-m", "benchmarks.grid", "--quick", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found = json.loads(out.read_bytes())
    sizes, budget = QUICK
    assert len(found["cells"]) == len(list(cells(sizes)))
    for cell, wanted in zip(found["cells"], cells(sizes), strict=True):
        assert cell["skipped"] == budget.refusal(wanted, min(sizes.steps))
        assert (cell["measured"] is None) == bool(cell["skipped"])
        if cell["measured"]:
            assert min(cell["measured"].values()) > 0
            assert cell["measured"]["peak_mib"] >= cell["measured"]["start_mib"]
    draw(found, tmp_path / "grid.svg")
    assert (tmp_path / "grid.svg").stat().st_size
    assert "these sizes are small and say nothing about others" in "\n".join(grid_rows(found))


def test_row_has_all_topologies_and_rate_and_memory() -> None:
    lines = grid_rows(report(row("complete", 10), row("small_world", 10), row("complete", 20, "over 100 edges")))
    assert "| server | agents | steps | complete | small world | messages/s | MiB |" in lines
    assert "| simulated | 10 | 10 | 2 | 2 | 1,234 | 50 |" in lines
    assert not any(line.startswith("| simulated | 20") for line in lines)
    assert "Left out, of 3 cells: 1 over 100 edges." in lines


def test_page_has_a_grid_section_if_there_are_figures() -> None:
    figures, *_ = committed()
    assert "## Sizes" not in page(figures)
    assert "## Sizes" in page(figures, report(row("small_world", 10)))
