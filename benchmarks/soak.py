"""Does a society that runs for long stay as it was: memory, open files, throughput?

    python -m benchmarks.soak                    # ten minutes
    python -m benchmarks.soak --minutes 120 --models 30

One simulated run without end in a process of its own, killed when time is up, and its log followed as `society watch`
does. Every few seconds both are looked at: resident memory, open file descriptors, calls made, CPU spent. A ratio is
the mean of the last quarter of the looks against that of the first; calls a CPU second hardly depend on what else the
machine does, calls a second do. Linux only.
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
class Look:
    """The run's process at one moment: seconds since the first call, resident bytes, open files, calls read from its
    log and CPU seconds so far; and the resident bytes of the watcher."""

    seconds: float
    resident: int
    files: int
    calls: int
    cpu: float
    watcher: int


@dataclass(frozen=True)
class Quarters:
    """A figure's mean in the first and in the last quarter of the looks."""

    first: float
    last: float

    @property
    def ratio(self) -> float:
        return self.last / self.first


def quarters(looks: Sequence[Look]) -> dict[str, Quarters]:
    """First against last quarter, by figure. Needs eight looks."""
    size = len(looks) // 4
    first, last = looks[:size], looks[-size:]

    def rate(part: Sequence[Look], clock: str) -> float:
        return (part[-1].calls - part[0].calls) / (getattr(part[-1], clock) - getattr(part[0], clock))

    return {
        "resident MB": Quarters(*(mean(look.resident for look in part) / 1e6 for part in (first, last))),
        "watcher's resident MB": Quarters(*(mean(look.watcher for look in part) / 1e6 for part in (first, last))),
        "open files": Quarters(*(mean(look.files for look in part) for part in (first, last))),
        "calls a second": Quarters(rate(first, "seconds"), rate(last, "seconds")),
        "calls a CPU second": Quarters(rate(first, "cpu"), rate(last, "cpu")),
    }


def endless(models: int) -> Plan:
    """A society of scripted minds and many games, longer than anyone waits."""
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
    """A process that plays without end, killed with the block: at its end a run reads its whole log."""
    command = [sys.executable, "-m", "benchmarks.soak", "--models", str(models), "--play", str(out)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def soak(models: int, seconds: float, pause: float) -> list[Look]:
    """The looks at one run, from its first call on; its directory goes away with it."""
    looks: list[Look] = []
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
                looks.append(observe(process.pid, time.monotonic() - started, calls))
    return looks


def read_for(follower: Follower, seconds: float) -> None:
    """Read on for that long, as `society watch` does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not follower.poll():
            time.sleep(0.25)


def observe(pid: int, seconds: float, calls: int) -> Look:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]  # user, system
    cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return Look(seconds, resident(pid), len(os.listdir(f"/proc/{pid}/fd")), calls, cpu, resident(os.getpid()))


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
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between looks")
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file of all looks")
    told = parser.parse_args()
    if told.play:
        run_scenario(endless(told.models), out=told.play)
    if told.minutes * 60 < 9 * told.pause:
        parser.error("too short: nine looks at least, so --minutes up or --pause down")
    facts = machine()
    looks = soak(told.models, told.minutes * 60, told.pause)
    found = quarters(looks)
    show(found, f"{told.models} models on the simulated tier for {told.minutes:g} minutes, {looks[-1].calls:,} calls")
    report = {
        "machine": facts,
        "load_after": machine()["load"],
        "models": told.models,
        "looks": [asdict(look) for look in looks],
        "quarters": {name: asdict(row) | {"ratio": row.ratio} for name, row in found.items()},
    }
    told.out.parent.mkdir(parents=True, exist_ok=True)
    told.out.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    sys.stdout.write(f"{told.out}\n")


if __name__ == "__main__":
    main()
