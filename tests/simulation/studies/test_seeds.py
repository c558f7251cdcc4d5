"""`measure_seeds`: each combination of swept values and task by itself, whatever keys other runs were swept by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson

from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.studies.seeds import measure_seeds
from simulation.sweep_values import FILE
from simulation.tables.runs import load_runs
from tests.support.faults import Fault
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

MakePlan = Callable[..., Plan]


def swept(folder: Path, **arms: dict[str, object]) -> Path:
    """The folder of a sweep with these arms."""
    folder.mkdir(parents=True)
    (folder / FILE).write_bytes(orjson.dumps({"arms": arms}))
    return folder


def test_runs_of_several_sweeps_are_measured_together(make_plan: MakePlan, runs: Path) -> None:
    """A numeric key that only one sweep has is missing in the runs of the other."""
    for key, value in (("episodes", 1), ("communication.rounds", 0.5)):
        folder = swept(runs / key, arm={key: value})
        run_scenario(make_plan(2, episodes=1), out=folder / "arm")
    models = measure_seeds(load_runs(list(runs.glob("*/arm/*")))).models
    assert [each.name for each in models].count("m0") == 2
    assert [each.swept["episodes"] == 1 for each in models] in ([True, True, False, False], [False, False, True, True])


def test_each_combination_counts_its_own_simulated_texts(make_plan: MakePlan, runs: Path) -> None:
    """What is wholly simulated names no adapter, whatever another combination is."""
    folder = swept(runs / "sweep", whole={"episodes": 1}, partly={"episodes": 2})
    run_scenario(make_plan(2, episodes=1), out=folder / "whole")
    with in_thread(ScriptedVLLM()) as server:
        server.script(Fault.SERVER_ERROR)
        keys = {"tiers": ["http", "simulated"], "endpoints": [server.url], "retries": 0}
        run_scenario(make_plan(2, episodes=1, inference=keys), out=folder / "partly")
    models = measure_seeds(load_runs(list(folder.glob("*/*")))).models
    named = {(each.swept["episodes"], each.name): each.played_by for each in models if each.tier == "simulated"}
    whole = {name for (episodes, _), name in named.items() if episodes == 1}
    assert len(whole) == 2
    assert all(name.startswith("simulated ") for name in whole)
    assert [name for (episodes, _), name in named.items() if episodes == 2] == ["cooperator, 1 of 4 simulated"]
