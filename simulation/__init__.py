"""What happens: scenarios, games, modes, the OASIS society, runs and their tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.strategy import TrainingMode
    from simulation.engine.environment import MultiModelEnvironment
    from simulation.game_plugins import add_games
    from simulation.runs.runner import RunOptions, run_scenario
    from simulation.scenario import Scenario
    from simulation.studies.compare.report import compare_runs
    from simulation.studies.measure import (
        hold_tournament,
        measure_effect,
        measure_fingerprints,
        measure_population,
    )
    from simulation.tables.run import load_run
    from simulation.tables.runs import load_runs
    from simulation.task import TrainingTask

__all__ = [
    "MultiModelEnvironment",
    "RunOptions",
    "Scenario",
    "TrainingMode",
    "TrainingTask",
    "add_games",
    "compare_runs",
    "hold_tournament",
    "load_run",
    "load_runs",
    "measure_effect",
    "measure_fingerprints",
    "measure_population",
    "run_scenario",
]

_HOMES = {
    "MultiModelEnvironment": "simulation.engine.environment",
    "RunOptions": "simulation.runs.runner",
    "Scenario": "simulation.scenario",
    "TrainingMode": "agents.strategy",
    "TrainingTask": "simulation.task",
    "add_games": "simulation.game_plugins",
    "compare_runs": "simulation.studies.compare.report",
    "hold_tournament": "simulation.studies.measure",
    "load_run": "simulation.tables.run",
    "load_runs": "simulation.tables.runs",
    "measure_effect": "simulation.studies.measure",
    "measure_fingerprints": "simulation.studies.measure",
    "measure_population": "simulation.studies.measure",
    "run_scenario": "simulation.runs.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
