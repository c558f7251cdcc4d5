"""What it costs to store prompts: the same run with and without them, in turns."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from agents.roster import Roster
from benchmarks.societies import rows
from simulation.runs.runner import run_scenario
from simulation.store.prompts import FOLDER
from simulation.tables.run import Run

STEPS = 6


class Cost(NamedTuple):
    """Seconds of a step with prompts over those without, and bytes of the prompts over those of the event log."""

    time: float
    size: float


def measure(n: int, repetitions: int) -> list[Cost]:
    """Return the cost in a society of `n` simulated agents, in a small world of degree 10, that talk and decide."""
    return [_cost(n) for _ in range(repetitions)]


def _cost(n: int) -> Cost:
    with TemporaryDirectory() as folder:
        off, on = (_played(n, prompts, Path(folder)) for prompts in ("off", "on"))
        files = sum(file.stat().st_size for file in (on.path / FOLDER).iterdir())
        return Cost(_step(on) / _step(off), files / (on.path / "events.jsonl").stat().st_size)


def _played(n: int, prompts: str, out: Path) -> Run:
    scenario = {
        "name": f"prompts-{prompts}",
        "mode": "cooperative",
        "tasks": [{"task_id": "t", "task_type": "public_goods", "max_steps": STEPS}],
        # replaced messages are never played in columns: both runs are played by requests
        "communication": {"topology": "small_world", "degree": 10, "treatment": "replaced"},
        "prompts": prompts,
    }
    roster = Roster(name="crowd", base_model="SmolLM2-135M-Instruct", models=tuple(rows(n)))
    return run_scenario(scenario, roster=roster, tier="simulated", out=out)


def _step(run: Run) -> float:
    return float(median(run.steps.groupby("step")["duration"].first()))
