"""Load a thousand runs into one DataFrame: `load_runs` against pandas.concat of `load_run`, in the same process.

python -m benchmarks.load_runs --runs 1000 --repetitions 3
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from agents.inference.provenance import Tier
from benchmarks.measure import Spread, machine, turns
from simulation import load_run, load_runs, run_scenario

TABLES = ("outcomes", "messages")


@contextmanager
def copies(count: int) -> Iterator[Path]:
    """Yield a folder with `count` copies of a small run."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"tier": Tier.SIMULATED}
        original = run_scenario("team_battle", **options, out=Path(folder) / "original").path
        for number in range(count):
            keep = shutil.ignore_patterns("oasis.db")
            copy = Path(folder) / "runs" / f"{number:05d}"
            shutil.copytree(original, copy, ignore=keep)
            give_id(copy / "manifest.json", f"{number:032x}")
        yield Path(folder) / "runs"


def give_id(manifest: Path, id: str) -> None:
    """Make a copy a run of its own: runs with one id count once."""
    written = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(written | {"id": id}), encoding="utf-8")


def naive(folder: Path, table: str) -> pd.DataFrame:
    """Load a table of all runs without `load_runs`."""
    frames = []
    for path in sorted(folder.iterdir()):
        run = load_run(path)
        frames.append(getattr(run, table).assign(run=str(path), seed=run.manifest["seed"]))
    return pd.concat(frames, ignore_index=True)


def ours(folder: Path, table: str) -> pd.DataFrame:
    found: pd.DataFrame = getattr(load_runs(folder), table)
    return found


CONTENDERS: Mapping[str, Callable[[Path, str], pd.DataFrame]] = {"load_runs": ours, "naive": naive}


def measure(runs: int, repetitions: int) -> dict[str, Any]:
    """Return the seconds of each contender by table, and how many times faster `load_runs` is."""
    report: dict[str, Any] = {"machine": machine(), "runs": runs, "tables": {}}
    with copies(runs) as folder:
        for table in TABLES:
            seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
            rows: dict[str, int] = {}
            for _, name in turns(tuple(CONTENDERS), repetitions):
                began = time.perf_counter()
                rows[name] = len(CONTENDERS[name](folder, table))
                seconds[name].append(time.perf_counter() - began)
            assert len(set(rows.values())) == 1, rows
            ratios = [slow / quick for slow, quick in zip(seconds["naive"], seconds["load_runs"], strict=True)]
            report["tables"][table] = {"rows": rows["naive"], "seconds": seconds, "ratio": ratios}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print everything measured")
    arguments = parser.parse_args()
    report = measure(arguments.runs, arguments.repetitions)
    if arguments.json:
        json.dump(report, sys.stdout, indent=2)
        return
    out = sys.stdout
    out.write(
        f"{arguments.runs} runs; least / median / most of {arguments.repetitions}; load {report['machine']['load']}\n"
    )
    for table, found in report["tables"].items():
        for name, seconds in found["seconds"].items():
            out.write(f"{table} ({found['rows']} rows) {name}: {Spread.of(seconds)} s\n")
        out.write(f"{table}: load_runs is {Spread.of(found['ratio'])} times as quick\n")


if __name__ == "__main__":
    main()
