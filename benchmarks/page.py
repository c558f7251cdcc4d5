"""Write docs/performance.md from the committed figures.

python -m benchmarks --out benchmarks/results/committed.json && python -m benchmarks.grid
python -m benchmarks.crowd && python -m benchmarks.learning && python -m benchmarks.page
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
LEARNING = FIGURES.with_name("learning.json")
CROWD = FIGURES.with_name("crowd.json")
PAGE = ROOT / "docs" / "performance.md"


def page(
    report: dict[str, Any],
    grid: dict[str, Any] | None = None,
    learning: dict[str, Any] | None = None,
    crowd: dict[str, Any] | None = None,
) -> str:
    """Return the whole page, made from the figures alone; it has no section on what was not measured."""
    facts = report["machine"]
    lines = [
        "# Performance",
        "",
        *summary([*report["results"], *(crowd or {"results": []})["results"]]),
        "",
        f"`make bench` measures this and `python -m benchmarks.page` writes this page. {facts['cpu']}, "
        f"{facts['cores']} cores, {facts['memory_gib']} GiB, Python {facts['python']}, {facts['when']}, commit "
        f"{facts['commit']}; load average {facts['load'][0]} before and {report['load_after'][0]} after. A load "
        "average above 1 means that other work shared the machine.",
        "",
    ]
    if report["quick"]:
        lines += ["Measured with `--quick`: smaller sizes, one repetition; it says nothing about the goals' sizes.", ""]
    lines += [
        *goal_rows(report["results"]),
        "",
        "![Seconds of a step by number of agents, and milliseconds of a step by its number](performance_growth.svg)",
        "",
        "Simulated agents in a small world of degree 10 talk and decide (`python -m benchmarks.growth`).",
        *(crowd_rows(crowd) if crowd else []),
        *(learning_rows(learning) if learning else []),
        *peer_rows(report.get("peers", [])),
        *(grid_rows(grid) if grid else []),
    ]
    return "\n".join(lines) + "\n"


def summary(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the figures say in five sentences; a figure that was not measured has none."""
    middle = {row["name"]: float(row["spread"]["middle"]) for row in results}
    met, missed = sum(row["met"] for row in results), [row["name"] for row in results if not row["met"]]
    sentences = {
        "a step against LLMAction, 29 tools": "A step of 1000 models on a slow server takes 1/{:.0f} of the time that "
        "OASIS's own agents need for an action with all their tools.",
        "a step's time over raw aiohttp's": "Asking a server costs {:.2f} times the time of bare aiohttp calls, with "
        "messages, decisions and the record of every call.",
        "messages of a crowd, two processes": "A society of 100,000 simulated models exchanges {:,.0f} messages a "
        "second on 2 cores.",
        "a million models": "A million of them play three steps, and their tables are loaded, in {:.1f} minutes.",
        "first simulated message": "From the command to the first simulated message it takes {:.1f} s, most of it the "
        "import of OASIS.",
    }
    lost = f"; not met: {', '.join(missed)}" if missed else ""
    said = [text.format(middle[name]) for name, text in sentences.items() if name in middle]
    return [" ".join([*said, f"{met} of {len(results)} figures meet their goal{lost}."])]


def goal_rows(results: Sequence[dict[str, Any]]) -> list[str]:
    """Return the table of figures that have a goal."""
    lines = ["| benchmark | minimum / median / maximum | goal | met | details |", "|---|---|---|---|---|"]
    for row in results:
        met = "yes" if row["met"] else "no"
        lines.append(f"| {row['name']} | {Spread(**row['spread'])} | {row['goal']} | {met} | {row['detail']} |")
    return lines


def crowd_rows(report: dict[str, Any]) -> list[str]:
    """Return the section about crowds."""
    facts = report["machine"]
    return [
        "",
        "## A million models",
        "",
        "What no language model answers is played in columns ([how](howto/large.md)); models that are asked may wait "
        "for their neighbours only ([how](howto/stepping.md)). `python -m benchmarks.crowd` measures this: "
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Python {facts['python']}, "
        f"{facts['when']}, commit {facts['commit']}; load average {facts['load'][0]} before and "
        f"{report['load_after'][0]} after, its own work included.",
        "",
        *goal_rows(report["results"]),
    ]


def learning_rows(report: dict[str, Any]) -> list[str]:
    """Return the section about training adapters."""
    facts, missed = report["machine"], [row for row in report["results"] if not row["met"]]
    return [
        "",
        "## Training",
        "",
        "SmolLM2-135M in fp32, LoRA of rank 8, the product's own prompts (`python -m benchmarks.learning`). Measured "
        f"on {facts['cpu']}, {facts['cores']} cores, {facts['when']}, commit {facts['commit']}; load average "
        f"{facts['load'][0]} before, and {report['load_after'][0]} after with the benchmark's own two threads.",
        "",
        *goal_rows(report["results"]),
        *(f"\nMissed: {row['name']}, {row['spread']['middle']:.3g} ({row['goal']})." for row in missed),
    ]


def peer_rows(compared: Sequence[dict[str, Any]]) -> list[str]:
    """Return the section about other frameworks; nothing if none was compared."""
    if not compared:
        return []
    lines = [
        "",
        "## Other frameworks",
        "",
        "The same step in other frameworks, each in a separate environment: hear ten neighbours in a small world, send "
        "a message, decide in public goods, get the payoff. The ratio is our steps per second over theirs (minimum / "
        "median / maximum of the repetitions): below 1 the peer is faster.",
        "",
        "| peer | agents | our seconds per step | its seconds per step | ratio | details |",
        "|---|---|---|---|---|---|",
    ]
    for row in compared:
        ours, theirs = ("" if not row[side] else f"{median(row[side]):.3g}" for side in ("ours", "theirs"))
        ratio = Spread(**row["spread"]) if row["spread"] else " ".join(row["not_run"].split()).replace("|", "/")
        lines.append(f"| {row['peer']} | {row['agents']:,} | {ours} | {theirs} | {ratio} | {row['detail']} |")
    return lines


def committed() -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None, dict[str, Any] | None]:
    """Return the figures in the repository, and those of the grid, of training and of crowds if there are any."""
    paths = (FIGURES, GRID, LEARNING, CROWD)
    report, grid, learning, crowd = (json.loads(path.read_bytes()) if path.exists() else None for path in paths)
    assert report is not None
    return report, grid, learning, crowd


def main() -> None:
    report, grid, learning, crowd = committed()
    PAGE.write_text(page(report, grid, learning, crowd), encoding="utf-8")
    if grid:
        draw(grid, PAGE.parent / PICTURE)


if __name__ == "__main__":
    main()
