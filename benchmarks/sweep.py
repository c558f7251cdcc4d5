"""Sweep latency-bound runs with one worker and with two, on each engine, with one slow scripted server.

python -m benchmarks.sweep --engine local --engine ray --arms 8 --delay 0.3
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agents.role import ModelRole
from agents.roster import ModelConfig, Roster
from benchmarks.measure import Spread, machine, turns
from simulation.plan import Plan
from simulation.runs.engines import Engine
from simulation.runs.sweep import Arm, begin_sweep, play_sweep
from simulation.scenario import Scenario
from tests.support.scripted_process import scripted_process

WORKERS = (1, 2)


def arms(count: int, steps: int, url: str) -> dict[str, Arm]:
    """Return `count` scenarios with different seeds: four models talk and decide in every step."""
    roles = (ModelRole.LEADER, ModelRole.FOLLOWER, ModelRole.TEAMMATE, ModelRole.NEUTRAL)
    models = tuple(ModelConfig(model_id=f"m{i}", model_name="cooperator", role=role) for i, role in enumerate(roles))
    roster = Roster(name="r", base_model="base", models=models)
    data = {
        "name": "late",
        "mode": "cooperative",
        "roster": "inline",
        "tasks": [{"task_id": "goods", "task_type": "public_goods", "max_steps": steps}],
        "inference": {"endpoints": [url], "tiers": ["http"]},
    }
    return {
        f"{seed:03d}": Arm({"seed": seed}, Plan(Scenario.model_validate({**data, "seed": seed}), roster))
        for seed in range(count)
    }


def seconds(folder: Path, engine: Engine, workers: int) -> tuple[float, float]:
    """Return the seconds of the whole sweep, and those from its first finished run on, when all workers run."""
    finished: list[float] = []
    began = time.perf_counter()
    runs = play_sweep(folder, engine=engine, jobs=workers, watch=lambda done, _: finished.append(time.perf_counter()))
    whole = time.perf_counter() - began
    assert runs.outcomes["run"].nunique() == len(runs)
    assert not runs.outcomes.duplicated(["run", "episode", "model_id"]).any()
    assert set(runs.outcomes["tier"]) == {"http"}
    settled = finished[workers + 1 :]  # the first call reports 0; after it each worker has begun its second run
    return whole, (settled[-1] - finished[workers]) / len(settled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", action="append", choices=[each.value for each in Engine])
    parser.add_argument("--arms", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--delay", type=float, default=0.3, help="seconds an answer takes")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print everything measured")
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "options": vars(options), "engines": {}}
    with (
        tempfile.TemporaryDirectory() as folder,
        scripted_process(("cooperator",), "--delay", str(options.delay)) as server,
    ):
        for engine in map(Engine, options.engine or [Engine.LOCAL.value]):
            found: dict[int, list[tuple[float, float]]] = {workers: [] for workers in WORKERS}
            for _, workers in turns(WORKERS, options.repetitions):
                sweep = begin_sweep("late", arms(options.arms, options.steps, server.url), folder)
                found[workers].append(seconds(sweep, engine, workers))
            report["engines"][engine.value] = found
    if options.json:
        json.dump(report, sys.stdout, indent=2)
        return
    sys.stdout.write(f"{options.arms} runs, answers after {options.delay} s; least / median / most\n")
    for name, found in report["engines"].items():
        for workers, times in found.items():
            whole, each = (Spread.of([time[part] for time in times]) for part in (0, 1))
            sys.stdout.write(f"{name}, {workers} workers: {whole} s in all, {each} s a run once all had started\n")
        for part, what in enumerate(("in all", "once all had started")):
            ratios = [one[part] / two[part] for one, two in zip(found[1], found[2], strict=True)]
            sys.stdout.write(f"{name}: two workers are {Spread.of(ratios)} times as quick {what}\n")


if __name__ == "__main__":
    main()
