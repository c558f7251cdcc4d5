"""One run of a crowd in a process of its own: rates, sizes and memory, as a line of JSON.

    python -m benchmarks.crowd_run 100000 3 --jobs 2

Simulated models of every role play public goods in a small world of degree 10, in columns: they talk and decide, and
the run keeps its log, its tables and (unless --no-database) OASIS's database.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from agents.role import ModelRole
from agents.roster import Roster
from benchmarks.societies import ADAPTERS
from simulation.runs.runner import run_scenario
from simulation.store.blocks import takes_blocks
from simulation.store.events import EpisodeStarted, Event, StepResolved
from simulation.tables.run import load_run

TABLES = ("messages", "decisions", "steps", "outcomes", "agents")


def crowd(players: int) -> Roster:
    """Return a roster of `players` models, a multiple of ten."""
    rows = [
        {"model_id": f"{role.value}{part}", "model_name": name, "role": role.value, "count": players // 10}
        for part in range(2)
        for name, role in zip((*ADAPTERS, *ADAPTERS), ModelRole, strict=False)
    ]
    return Roster.model_validate({"name": "crowd", "base_model": "SmolLM2-135M-Instruct", "models": rows})


def scenario(steps: int, *, database: bool) -> dict[str, object]:
    """Return what the crowd plays."""
    return {
        "name": "crowd",
        "mode": "cooperative",
        "prompts": "off",
        "oasis_db": "on" if database else "off",
        "tasks": [{"task_id": "task", "task_type": "public_goods", "max_steps": steps}],
        "communication": {"topology": "small_world", "degree": 10},
        "inference": {"tiers": ["simulated"]},
    }


def measure(players: int, steps: int, jobs: int, *, database: bool) -> dict[str, object]:
    """Play a crowd and return its figures."""
    ends: list[float] = []

    @takes_blocks
    def note(event: Event) -> None:
        if isinstance(event, (EpisodeStarted, StepResolved)):
            ends.append(time.perf_counter())

    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        played = scenario(steps, database=database)
        run = run_scenario(played, roster=crowd(players), out=folder, on_event=note, jobs=jobs)
        whole, peak = time.perf_counter() - began, _peak()
        text = sum(map(len, map(str.encode, run.messages["text"])))
        loaded = _loaded(run.path)
        stored = _size(run.path / "events.jsonl", run.path / "blocks", run.path / "tables")
        spent = [end - start for start, end in itertools.pairwise(ends)]
        return {
            "players": players,
            "jobs": jobs,
            "database": database,
            "steps": spent,
            "seconds": whole,
            "peak_gib": peak,
            "load_seconds": loaded[0],
            "rows": loaded[1],
            "bytes_per_message": stored / len(run.messages),
            "text_per_message": text / len(run.messages),
        }


def _loaded(path: Path) -> tuple[float, int]:
    """Return the seconds to load every table, and the number of all rows."""
    began, run = time.perf_counter(), load_run(path)
    rows = sum(len(getattr(run, name)) for name in TABLES)
    return time.perf_counter() - began, rows


def _size(*places: Path) -> int:
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _peak() -> float:
    """Return the peak memory in GiB of this process and of its largest worker together."""
    own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + workers) / (2**30 if sys.platform == "darwin" else 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("players", type=int, help="how many models, a multiple of ten")
    parser.add_argument("steps", type=int, help="how many steps")
    parser.add_argument("--jobs", type=int, default=1, help="processes that compute answers")
    parser.add_argument("--no-database", action="store_true", help="keep no OASIS database")
    options = parser.parse_args()
    figures = measure(options.players, options.steps, options.jobs, database=not options.no_database)
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
