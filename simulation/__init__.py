"""What happens: scenarios, games, modes, the OASIS society, runs and their tables."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.strategy import TrainingMode
    from simulation.environment import MultiModelEnvironment
    from simulation.outcomes import load_run
    from simulation.runner import run_scenario
    from simulation.runs import load_runs
    from simulation.scenario import Scenario
    from simulation.task import TrainingTask

__all__ = ["MultiModelEnvironment", "Scenario", "TrainingMode", "TrainingTask", "load_run", "load_runs", "run_scenario"]

_HOMES = {
    "MultiModelEnvironment": "simulation.environment",
    "Scenario": "simulation.scenario",
    "TrainingMode": "agents.strategy",
    "TrainingTask": "simulation.task",
    "load_run": "simulation.outcomes",
    "load_runs": "simulation.runs",
    "run_scenario": "simulation.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
