"""Run every benchmark against its peer, in one command.

    python -m benchmarks                    # all; make bench does the same
    python -m benchmarks --quick            # smaller sizes, one repetition
    python -m benchmarks --only build --only actions

A ratio compares two turns of the same run on one machine. Every figure is the minimum / median / maximum of the
repetitions.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.goals import BENCHMARKS, Result
from benchmarks.measure import Spread, machine
from benchmarks.peer_steps import Comparison, peer_steps

OUT = Path(__file__).parent / "results" / "goals.json"
PEERS = "peers"


def show(results: list[Result]) -> None:
    table = Table(title="least / middle / most of the repetitions", title_justify="left")
    for head in ("benchmark", "measured", "goal", "met", "of"):
        table.add_column(head)
    for result in results:
        spread = Spread.of(result.values)
        table.add_row(result.name, str(spread), result.goal, "yes" if result.met else "no", result.detail)
    Console(width=150).print(table)


def show_peers(compared: list[Comparison]) -> None:
    title = "other frameworks: our steps a second over theirs, least / middle / most; below one the peer is quicker"
    table = Table(title=title, title_justify="left")
    for head in ("peer", "agents", "measured", "of"):
        table.add_column(head)
    for row in compared:
        measured = str(Spread.of(row.ratios)) if row.ratios else row.not_run
        table.add_row(row.peer, f"{row.agents:,}", measured, row.detail)
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[*BENCHMARKS, PEERS], action="append", help="may be given more than once")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one repetition")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all figures")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # CAMEL warns about the model of every stock agent
    facts = machine()
    results: list[Result] = []
    compared: list[Comparison] = []
    for name in options.only or (*BENCHMARKS, PEERS):
        sys.stderr.write(f"{name} ...\n")
        if name == PEERS:
            compared = list(peer_steps(options.quick))
        else:
            results += BENCHMARKS[name](options.quick)
        report = {  # written after each benchmark: an error in the next one loses no figures
            "machine": facts,
            "load_after": machine()["load"],
            "quick": options.quick,
            "results": [result.as_json() for result in results],
            "peers": [comparison.as_json() for comparison in compared],
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    if results:
        show(results)
    if compared:
        show_peers(compared)
    sys.stdout.write(f"{options.out}\n")


if __name__ == "__main__":
    main()
