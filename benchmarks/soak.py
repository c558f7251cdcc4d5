"""Check that memory, open files and throughput of a society stay constant in a long run.

    python -m benchmarks.soak                    # ten minutes
    python -m benchmarks.soak --minutes 120 --models 30

A separate process plays a simulated run without end, until it is killed; this process follows its log as
`society view` does. Every few seconds both are sampled: resident memory, open file descriptors, calls, CPU time. A
ratio is the mean of the last quarter of the samples over that of the first. Calls per CPU second hardly depend on other
work on the machine; calls per second do. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import orjson
from rich.console import Console
from rich.table import Table

from agents.role import ModelRole
from agents.roster import ModelConfig, Roster
from benchmarks.measure import ROOT, machine
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.scenario import Scenario
from simulation.watch.follower import Follower

OUT = Path(__file__).parent / "results" / "soak.json"
GAMES = ("public_goods", "prisoners_dilemma", "commons")
WITHOUT_END = 1_000_000
FLAT = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Snapshot:
    """A sample of the run's process: seconds since the first call, resident bytes, open files, calls in its log, CPU
    seconds so far; and the resident bytes of the watching process."""

    seconds: float
    resident: int
    files: int
    calls: int
    cpu: float
    watcher: int


@dataclass(frozen=True)
class Quarters:
    """A figure's mean in the first and in the last quarter of the samples."""

    first: float
    last: float

    @property
    def ratio(self) -> float:
        return self.last / self.first


def quarters(snapshots: Sequence[Snapshot]) -> dict[str, Quarters]:
    """Compare the first with the last quarter, by figure. Needs eight samples."""
    size = len(snapshots) // 4
    first, last = snapshots[:size], snapshots[-size:]

    def rate(part: Sequence[Snapshot], clock: str) -> float:
        return (part[-1].calls - part[0].calls) / (getattr(part[-1], clock) - getattr(part[0], clock))

    return {
        "resident MB": Quarters(*(mean(each.resident for each in part) / 1e6 for part in (first, last))),
        "watcher's resident MB": Quarters(*(mean(each.watcher for each in part) / 1e6 for part in (first, last))),
        "open files": Quarters(*(mean(each.files for each in part) for part in (first, last))),
        "calls a second": Quarters(rate(first, "seconds"), rate(last, "seconds")),
        "calls a CPU second": Quarters(rate(first, "cpu"), rate(last, "cpu")),
    }


def endless(models: int) -> Plan:
    """Return the plan of a simulated society with many games and practically no end."""
    roles = tuple(ModelRole)
    rows = tuple(
        ModelConfig(model_id=f"m{i}", model_name="cooperator", role=roles[i % len(roles)], team_id=f"team{i % 2}")
        for i in range(models)
    )
    scenario = {
        "name": "soak",
        "mode": "mixed",
        "roster": "inline",
        "seed": 1,
        "episodes": WITHOUT_END,
        "tasks": [{"task_id": game, "task_type": game, "max_steps": 10} for game in GAMES],
        "inference": {"tiers": ["simulated"]},
    }
    return Plan(Scenario.model_validate(scenario), Roster(name="soak", base_model="none", models=rows))


@contextmanager
def played(models: int, out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that plays without end; kill it with the block, as a run that ends reads its whole log."""
    command = [sys.executable, "-m", "benchmarks.soak", "--models", str(models), "--play", str(out)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def soak(models: int, seconds: float, pause: float) -> list[Snapshot]:
    """Return the samples of one run, from its first call on; its directory is removed at the end."""
    snapshots: list[Snapshot] = []
    with TemporaryDirectory() as out, played(models, Path(out)) as process:
        follower = Follower(Path(out))
        started: float | None = None
        while started is None or time.monotonic() - started < seconds:
            if process.poll() is not None:
                raise SystemExit(f"the run ended by itself with {process.returncode}")
            read_for(follower, pause)
            calls = sum(tier.ok for tier in follower.view().calls.tiers)
            if started is None and calls:
                started = time.monotonic()
            if started is not None:
                snapshots.append(observe(process.pid, time.monotonic() - started, calls))
    return snapshots


def read_for(follower: Follower, seconds: float) -> None:
    """Follow the log for so many seconds, as `society view` does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not follower.poll():
            time.sleep(0.25)


def observe(pid: int, seconds: float, calls: int) -> Snapshot:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]  # user, system
    cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return Snapshot(seconds, resident(pid), len(os.listdir(f"/proc/{pid}/fd")), calls, cpu, resident(os.getpid()))


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def show(found: dict[str, Quarters], title: str) -> None:
    caption = f"flat: within {FLAT:.0%}"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    for head in ("", "first quarter", "last quarter", "last : first", ""):
        table.add_column(head)
    for name, row in found.items():
        flat = "flat" if abs(row.ratio - 1) <= FLAT else "NOT FLAT"
        table.add_row(name, f"{row.first:,.1f}", f"{row.last:,.1f}", f"{row.ratio:.3f}", flat)
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between snapshots")
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all snapshots")
    options = parser.parse_args()
    if options.play:
        run_scenario(endless(options.models), out=options.play)
    if options.minutes * 60 < 9 * options.pause:
        parser.error("too short: nine snapshots at least, so --minutes up or --pause down")
    facts = machine()
    snapshots = soak(options.models, options.minutes * 60, options.pause)
    found = quarters(snapshots)
    show(
        found,
        f"{options.models} models on the simulated tier for {options.minutes:g} minutes, {snapshots[-1].calls:,} calls",
    )
    report = {
        "machine": facts,
        "load_after": machine()["load"],
        "models": options.models,
        "snapshots": [asdict(snapshot) for snapshot in snapshots],
        "quarters": {name: asdict(row) | {"ratio": row.ratio} for name, row in found.items()},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    sys.stdout.write(f"{options.out}\n")


if __name__ == "__main__":
    main()
