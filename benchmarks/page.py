"""Writes the table of docs/performance.md from the committed figures.

python -m benchmarks --out benchmarks/results/committed.json && python -m benchmarks.grid && python -m benchmarks.page
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.grid_page import PICTURE, draw, grid_rows
from benchmarks.measure import ROOT, Spread

FIGURES = Path(__file__).parent / "results" / "committed.json"
GRID = FIGURES.with_name("grid.json")
PAGE = ROOT / "docs" / "performance.md"


def page(report: dict[str, Any], grid: dict[str, Any] | None = None) -> str:
    """The whole page; it says nothing that the figures do not. Without a grid it has none."""
    facts = report["machine"]
    lines = [
        "# Performance",
        "",
        f"`make bench` measures this and `python -m benchmarks.page` writes it. {facts['cpu']}, "
        f"{facts['cores']} cores, "
        f"{facts['memory_gib']} GiB, Python {facts['python']}, {facts['when']}, commit {facts['commit']}; load average "
        f"{facts['load'][0]} before and {report['load_after'][0]} after, so other work shared the machine where it "
        "exceeds one.",
        "",
    ]
    if report["quick"]:
        lines += ["Measured with `--quick`: smaller sizes and one repetition, no evidence for the goals' sizes.", ""]
    lines += ["| benchmark | least / middle / most | goal | met | of |", "|---|---|---|---|---|"]
    for row in report["results"]:
        met = "yes" if row["met"] else "no"
        spread = Spread(**row["spread"])
        lines.append(f"| {row['name']} | {spread} | {row['goal']} | {met} | {row['detail']} |")
    lines += [
        "",
        "![Seconds of a step by number of agents, and milliseconds of a step by its place](performance_growth.svg)",
        "",
        "Simulated agents in a small world of degree 10, which talk and decide (`python -m benchmarks.growth`).",
        *peer_rows(report.get("peers", [])),
        *(grid_rows(grid) if grid else []),
    ]
    return "\n".join(lines) + "\n"


def peer_rows(compared: Sequence[dict[str, Any]]) -> list[str]:
    """The section of other frameworks; nothing where none was compared."""
    if not compared:
        return []
    lines = [
        "",
        "## Other frameworks",
        "",
        "The same step in other frameworks, each in an environment of its own: hear ten neighbours in a small world, "
        "say something, decide in public goods, be paid. The ratio is our steps a second over theirs, least / middle / "
        "most of the repetitions: below one the peer is quicker.",
        "",
        "| peer | agents | our seconds a step | its seconds a step | ratio | of |",
        "|---|---|---|---|---|---|",
    ]
    for row in compared:
        ours, theirs = ("" if not row[side] else f"{median(row[side]):.3g}" for side in ("ours", "theirs"))
        ratio = Spread(**row["spread"]) if row["spread"] else " ".join(row["not_run"].split()).replace("|", "/")
        lines.append(f"| {row['peer']} | {row['agents']:,} | {ours} | {theirs} | {ratio} | {row['detail']} |")
    return lines


def committed() -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The figures in the repository, and those of the grid where there are any."""
    report, grid = (json.loads(path.read_bytes()) if path.exists() else None for path in (FIGURES, GRID))
    assert report is not None
    return report, grid


def main() -> None:
    report, grid = committed()
    PAGE.write_text(page(report, grid), encoding="utf-8")
    if grid:
        draw(grid, PAGE.parent / PICTURE)


if __name__ == "__main__":
    main()
