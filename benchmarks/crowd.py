"""Measure a crowd of up to a million simulated models against its goals.

    python -m benchmarks.crowd            # some ten minutes
    python -m benchmarks.crowd --quick    # small sizes

Runs with one process and with two take turns, each in a process of its own (`benchmarks.crowd_run`). The first step,
in which group chats are made, is left out of rates; the seconds of a whole run hold everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from agents.inference.provenance import Tier
from benchmarks.goals import Result
from benchmarks.lean_server import lean_server
from benchmarks.measure import ROOT, machine, turns
from benchmarks.societies import ADAPTERS, play
from simulation.topology.graph import TopologyKind

OUT = Path(__file__).parent / "results" / "crowd.json"
Figures = dict[str, Any]


def run_crowd(players: int, steps: int, jobs: int = 1, *, database: bool = True) -> Figures:
    """Return the figures of one crowd."""
    sys.stderr.write(f"{players:,} models, {steps} steps, {jobs} processes{'' if database else ', no database'} ...\n")
    command = [sys.executable, "-m", "benchmarks.crowd_run", str(players), str(steps), "--jobs", str(jobs)]
    command += [] if database else ["--no-database"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def rate(run: Figures) -> float:
    """Return messages per second, in the median of all steps but the first."""
    return float(run["players"] / median(run["steps"][1:]))


def rates(quick: bool) -> tuple[list[Result], list[Figures]]:
    """Messages per second with one process and with two, and bytes a message."""
    players, steps, repetitions = (10_000, 3, 1) if quick else (100_000, 4, 3)
    found: dict[int, list[Figures]] = {1: [], 2: []}
    for _, jobs in turns((1, 2), repetitions):
        found[jobs].append(run_crowd(players, steps, jobs))
    one, two = (tuple(map(rate, found[jobs])) for jobs in (1, 2))
    stored = tuple(run["bytes_per_message"] for run in found[1])
    gains = tuple(b / a for a, b in zip(one, two, strict=True))
    of = f"{players:,} models, small world of degree 10: talk, decide, log, tables, OASIS's database"
    return [
        Result("messages of a crowd, one process", "messages/s", one, 12_000, False, of),
        Result("messages of a crowd, two processes", "messages/s", two, 20_000, False, of),
        Result("two processes over one", "x", gains, 1.7, False, of),
        Result("log and tables, text included", "bytes a message", stored, 120, True, of),
    ], [*found[1], *found[2]]


def million(quick: bool) -> tuple[list[Result], list[Figures]]:
    """A million models, three steps, without OASIS's database."""
    run = run_crowd(10_000 if quick else 1_000_000, 3, 2, database=False)
    of = (
        f"{run['players']:,} models, three steps, `oasis_db: off`, two processes: played, stored, and {run['rows']:,} "
        f"rows of tables loaded in {run['load_seconds']:.0f} s"
    )
    whole = (run["seconds"] + run["load_seconds"]) / 60
    return [
        Result("a million models", "minutes", (whole,), 10, True, of),
        Result("memory of a million models", "GiB", (run["peak_gib"],), 12, True, f"the process and a worker; {of}"),
    ], [run]


def sizes(quick: bool) -> tuple[list[Result], list[Figures]]:
    """The cost of a step per model, of many models against ten, in a small society that plays many steps."""
    steps, repetitions, ratios, runs = (20, 1, [], []) if quick else (100, 3, [], [])
    for _ in range(repetitions):
        few, many = (run_crowd(players, steps) for players in (10, 1_000))
        runs += [few, many]
        ratios.append(median(many["steps"][1:]) / 1_000 / (median(few["steps"][1:]) / 10))
    of = f"median step of {steps}, in columns, log and database as always"
    return [Result("a step of 1,000 models over one of 10, per model", "x", tuple(ratios), 1.0, True, of)], runs


def served(quick: bool) -> tuple[list[Result], list[Figures]]:
    """A step of models that are asked over http by a server that answers at once."""
    players, repetitions = (100, 1) if quick else (1_000, 5)
    with lean_server(0.0, *ADAPTERS) as url:
        steps = [asyncio.run(play(players, 4, Tier.HTTP, url)).steps[1:] for _ in range(repetitions)]
    spent = tuple(1000 * median(each) / players for each in steps)
    of = f"{players} LoRAModels, 64 calls at once, a server of 0 ms on the same processors: two calls a model and step"
    return [Result("a step over http at 0 ms", "ms a model", spent, 0.25, True, of)], []


def among(quick: bool) -> tuple[list[Result], list[Figures]]:
    """A crowd of scripted models with a few that are asked over http: the crowd in columns, and all by requests."""
    players, asked = (2_000, 20) if quick else (20_000, 200)
    ratios = []
    with lean_server(0.0, *ADAPTERS) as url:
        for _ in range(1 if quick else 3):
            of_both = [
                asyncio.run(play(players, 3, Tier.HTTP, url, in_columns=way, scripted=players - asked)).steps[1:]
                for way in (False, True)
            ]
            ratios.append(median(of_both[0]) / median(of_both[1]))
    of = f"{players:,} models, {asked} of them asked at a server of 0 ms: a step in columns against one by requests"
    return [Result("a few language models in a crowd", "x", tuple(ratios), 3.0, False, of)], []


def stepping(quick: bool) -> tuple[list[Result], list[Figures]]:
    """Models that wait for their neighbours only, against models that all wait for each other, on a ring."""
    from benchmarks.stepping import compare
    from benchmarks.stepping import options as default_options

    options = default_options(["--models", "16", "--steps", "2", "--repetitions", "1"] if quick else [])
    with lean_server(options.delay, *ADAPTERS, sigma=options.sigma) as url:
        found = compare(url, options, "opinion", TopologyKind.RING)
    of = (
        f"opinion on a ring of {options.models}, {options.steps} steps; a stub server of log-normal latency, median "
        f"{options.delay} s, sigma {options.sigma}"
    )
    return [Result("stepping by neighbours over together", "x", tuple(found.ratios), 1.5, False, of)], []


MEASURED = (rates, sizes, served, among, stepping, million)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    options = parser.parse_args()
    report: Figures = {"machine": machine(), "quick": options.quick, "results": [], "runs": []}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for part in MEASURED:
        results, runs = part(options.quick)
        report["results"] += [result.as_json() for result in results]
        report["runs"] += runs
        report["load_after"] = machine()["load"]
        options.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    for row in report["results"]:
        sys.stdout.write(f"{'met   ' if row['met'] else 'MISSED'} {row['name']}: {row['values']} ({row['goal']})\n")


if __name__ == "__main__":
    main()
