"""What happens: scenarios, games, modes, the OASIS society, runs and their tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.strategy import TrainingMode
    from simulation.compare import compare_runs
    from simulation.environment import MultiModelEnvironment
    from simulation.game_folders import add_games
    from simulation.outcomes import load_run
    from simulation.runner import RunOptions, run_scenario
    from simulation.runs import load_runs
    from simulation.scenario import Scenario
    from simulation.studies import hold_tournament, measure_effect, measure_fingerprints
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
    "run_scenario",
]

_HOMES = {
    "MultiModelEnvironment": "simulation.environment",
    "RunOptions": "simulation.runner",
    "Scenario": "simulation.scenario",
    "TrainingMode": "agents.strategy",
    "TrainingTask": "simulation.task",
    "add_games": "simulation.game_folders",
    "compare_runs": "simulation.compare",
    "hold_tournament": "simulation.studies",
    "load_run": "simulation.outcomes",
    "load_runs": "simulation.runs",
    "measure_effect": "simulation.studies",
    "measure_fingerprints": "simulation.studies",
    "run_scenario": "simulation.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
