"""The grid's section of docs/performance.md and its picture, made from the figures alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

PICTURE = "performance_grid.svg"
REFERENCE = "small_world"
COLOURS = ("#26806e", "#b8672d", "#5b5ea6")

Figures = dict[str, Any]


def grid_rows(grid: Figures) -> list[str]:
    """Return the lines of the section."""
    facts, cells = grid["machine"], grid["cells"]
    topologies = list(dict.fromkeys(cell["topology"] for cell in cells))
    heads = [name.replace("_", " ") for name in topologies]
    lines = [
        "",
        "## Sizes",
        "",
        "Milliseconds per agent and step (median of the steps), by topology; messages per second and MiB in the "
        f"{REFERENCE.replace('_', ' ')} topology. `python -m benchmarks.grid` measures this: {facts['cpu']}, "
        f"{facts['cores']} cores, {facts['when']}, commit {facts['commit']}, load average {facts['load'][0]} before "
        f"and {grid['load_after'][0]} after. Each cell runs in a separate process; MiB is its peak resident memory "
        "above that of the imports.",
        "",
    ]
    if grid["quick"]:
        lines += ["Measured with `--quick`: these sizes are small and say nothing about others.", ""]
    lines += [
        f"| server | agents | steps | {' | '.join(heads)} | messages/s | MiB |",
        "|" + "---|" * (len(heads) + 5),
    ]
    for (tier, latency, agents, steps), row in _by_size(cells):
        found = {cell["topology"]: cell["measured"] for cell in row}
        if not any(found.values()):
            continue
        times = ["" if found.get(name) is None else _milliseconds(found[name]) for name in topologies]
        best = found.get(REFERENCE)
        more = ["", ""] if best is None else [f"{best['messages_per_second']:,.0f}", f"{_society(best):,.0f}"]
        lines.append(f"| {' | '.join([_server(tier, latency), f'{agents:,}', f'{steps:,}', *times, *more])} |")
    return [*lines, "", *_left_out(cells), f"![An agent's step and the memory, by number of agents]({PICTURE})"]


def _by_size(cells: Sequence[Figures]) -> list[tuple[tuple[str, int | None, int, int], list[Figures]]]:
    def size(cell: Figures) -> tuple[str, int | None, int, int]:
        return cell["tier"], cell["latency"], cell["agents"], cell["steps"]

    places = {key: place for place, key in enumerate(dict.fromkeys(map(size, cells)))}
    ordered = sorted(cells, key=lambda cell: places[size(cell)])
    return [(key, list(row)) for key, row in groupby(ordered, key=size)]


def _left_out(cells: Sequence[Figures]) -> list[str]:
    reasons = Counter(cell["skipped"] for cell in cells if cell["measured"] is None)
    if not reasons:
        return []
    reasons_text = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return [f"Left out, of {len(cells)} cells: {reasons_text}.", ""]


def _server(tier: str, latency: int | None) -> str:
    return tier if latency is None else f"{tier}, {latency} ms"


def _milliseconds(measured: Figures) -> str:
    return f"{1000 * measured['seconds_per_agent_step']:.3g}"


def _society(measured: Figures) -> float:
    return float(measured["peak_mib"] - measured["start_mib"])


def draw(grid: Figures, path: Path) -> None:
    """Write an SVG: time per agent and step, and memory, by number of agents in the reference topology.

    For each number of agents it shows the society with the most steps.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "grid"
    picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    lines: dict[str, dict[int, Figures]] = {}
    for (tier, latency, agents, _steps), row in _by_size(grid["cells"]):
        for cell in row:
            if cell["topology"] == REFERENCE and cell["measured"] is not None:
                lines.setdefault(_server(tier, latency), {})[agents] = cell["measured"]
    for colour, (label, found) in zip(COLOURS, lines.items(), strict=False):
        times = [1000 * measured["seconds_per_agent_step"] for measured in found.values()]
        left.loglog(list(found), times, "o-", color=colour, label=label)
        right.loglog(list(found), [_society(measured) for measured in found.values()], "o-", color=colour, label=label)
    left.set(xlabel="agents", ylabel="milliseconds", title="A step of one agent")
    right.set(xlabel="agents", ylabel="MiB above the imports", title="Memory of a society")
    left.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    picture.savefig(path, metadata={"Date": None})
    plt.close(picture)
