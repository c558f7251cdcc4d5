"""Draw how the time of a step grows with the number of agents and of earlier steps, for docs/performance.md.

    python -m benchmarks.growth

Simulated agents in a small world of degree 10 talk and decide; a line with slope 1 is linear growth.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from statistics import median

import orjson

from benchmarks.measure import ROOT, machine
from benchmarks.societies import play

FIGURES = Path(__file__).parent / "results" / "growth.json"
PICTURE = ROOT / "docs" / "performance_growth.svg"
AGENTS = (10, 30, 100, 300, 1_000, 3_000, 10_000)
STEPS, BIN = 1000, 25


def measure() -> dict[str, object]:
    """Return the seconds of the second step by number of agents, and of ten agents' steps in bins of 25 (medians)."""
    asyncio.run(play(10, 2))  # imports are not measured
    by_agents = []
    for count in AGENTS:
        sys.stderr.write(f"{count} agents ...\n")
        by_agents.append([count, median(asyncio.run(play(count, 3)).steps[1:])])
    sys.stderr.write(f"{STEPS} steps ...\n")
    taken = asyncio.run(play(10, STEPS)).steps
    by_step = [[first + BIN / 2, median(taken[first : first + BIN])] for first in range(0, STEPS, BIN)]
    return {"machine": machine(), "agents": by_agents, "steps": by_step}


def draw(figures: dict[str, object], path: Path) -> None:
    """Draw the two curves as SVG."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "growth"
    picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    counts, seconds = zip(*figures["agents"], strict=True)  # type: ignore[call-overload]
    left.loglog(counts, seconds, "o-", color="#26806e", label="measured")
    left.loglog(counts, [seconds[-1] * n / counts[-1] for n in counts], "--", color="#888", label="slope 1")
    left.set(xlabel="agents", ylabel="seconds a step", title="A step by number of agents")
    left.legend(frameon=False)
    steps, spent = zip(*figures["steps"], strict=True)  # type: ignore[call-overload]
    right.plot(steps, [1000 * each for each in spent], color="#26806e")
    right.set(xlabel="steps before it", ylabel="milliseconds a step", title="A step of ten agents by its place", ylim=0)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    picture.savefig(path, metadata={"Date": None})


def main() -> None:
    figures = measure()
    FIGURES.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    draw(figures, PICTURE)
    sys.stdout.write(f"{PICTURE}\n")


if __name__ == "__main__":
    main()
