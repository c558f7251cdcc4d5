"""What happens: scenarios, games, modes, the OASIS society, runs, their tables and studies of them.

Users import from here and from `agents`, never deeper. Every name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.inference.loops import run_blocking
    from agents.inference.provenance import Tier
    from agents.problems import InvalidFileError, SocietyError, UsageError
    from agents.strategy import TrainingMode
    from simulation.engine.environment import MultiModelEnvironment
    from simulation.game_plugins import add_games
    from simulation.games import find_game
    from simulation.games.base import Game, GameError, GameParameters, Move, Round, Setting, State
    from simulation.games.conformance import broken_rules
    from simulation.games.measures import Meaning, closeness
    from simulation.games.pairs import MatrixGame
    from simulation.metrics.cascade import cascade_course, normalised_rmse
    from simulation.metrics.messages import answer_network, answer_structure, messages_of
    from simulation.metrics.spread import first_cascades
    from simulation.pictures.export import save_picture
    from simulation.plan import Plan
    from simulation.report.page import write_report
    from simulation.runs.fork import fork_run
    from simulation.runs.live import say
    from simulation.runs.recorded import recorded_names, recorded_run
    from simulation.runs.replay import ReplayError, replay_run
    from simulation.runs.runner import resume_run, run_scenario
    from simulation.runs.session import RunStoppedError
    from simulation.runs.sweep import sweep
    from simulation.scenario import Scenario
    from simulation.seats import Seat
    from simulation.sections.inference import InferenceConfig
    from simulation.studies.compare.report import compare_runs
    from simulation.studies.measure import (
        hold_tournament,
        measure_effect,
        measure_experiment,
        measure_fingerprints,
        measure_population,
    )
    from simulation.studies.tournament.results import load_tournament
    from simulation.tables.run import Run, load_run
    from simulation.tables.runs import Runs, load_runs
    from simulation.task import TrainingTask
    from simulation.topology.communication import Communication
    from simulation.training.cycle import Learners
    from simulation.training.start import resume_training, train_scenario
    from simulation.training.tables import Training, load_training
    from simulation.treatment import Treatment

__all__ = [
    "Communication",
    "Game",
    "GameError",
    "GameParameters",
    "InferenceConfig",
    "InvalidFileError",
    "Learners",
    "MatrixGame",
    "Meaning",
    "Move",
    "MultiModelEnvironment",
    "Plan",
    "ReplayError",
    "Round",
    "Run",
    "RunStoppedError",
    "Runs",
    "Scenario",
    "Seat",
    "Setting",
    "SocietyError",
    "State",
    "Tier",
    "Training",
    "TrainingMode",
    "TrainingTask",
    "Treatment",
    "UsageError",
    "add_games",
    "answer_network",
    "answer_structure",
    "broken_rules",
    "cascade_course",
    "closeness",
    "compare_runs",
    "find_game",
    "first_cascades",
    "fork_run",
    "hold_tournament",
    "load_run",
    "load_runs",
    "load_tournament",
    "load_training",
    "measure_effect",
    "measure_experiment",
    "measure_fingerprints",
    "measure_population",
    "messages_of",
    "normalised_rmse",
    "recorded_names",
    "recorded_run",
    "replay_run",
    "resume_run",
    "resume_training",
    "run_blocking",
    "run_scenario",
    "save_picture",
    "say",
    "sweep",
    "train_scenario",
    "write_report",
]

_HOMES = {
    "Communication": "simulation.topology.communication",
    "Game": "simulation.games.base",
    "GameError": "simulation.games.base",
    "GameParameters": "simulation.games.base",
    "InferenceConfig": "simulation.sections.inference",
    "InvalidFileError": "agents.problems",
    "Learners": "simulation.training.cycle",
    "MatrixGame": "simulation.games.pairs",
    "Meaning": "simulation.games.measures",
    "Move": "simulation.games.base",
    "MultiModelEnvironment": "simulation.engine.environment",
    "Plan": "simulation.plan",
    "ReplayError": "simulation.runs.replay",
    "Round": "simulation.games.base",
    "Run": "simulation.tables.run",
    "RunStoppedError": "simulation.runs.session",
    "Runs": "simulation.tables.runs",
    "Scenario": "simulation.scenario",
    "Seat": "simulation.seats",
    "Setting": "simulation.games.base",
    "SocietyError": "agents.problems",
    "State": "simulation.games.base",
    "Tier": "agents.inference.provenance",
    "Training": "simulation.training.tables",
    "TrainingMode": "agents.strategy",
    "TrainingTask": "simulation.task",
    "Treatment": "simulation.treatment",
    "UsageError": "agents.problems",
    "answer_network": "simulation.metrics.messages",
    "answer_structure": "simulation.metrics.messages",
    "messages_of": "simulation.metrics.messages",
    "add_games": "simulation.game_plugins",
    "broken_rules": "simulation.games.conformance",
    "cascade_course": "simulation.metrics.cascade",
    "first_cascades": "simulation.metrics.spread",
    "normalised_rmse": "simulation.metrics.cascade",
    "closeness": "simulation.games.measures",
    "compare_runs": "simulation.studies.compare.report",
    "find_game": "simulation.games",
    "fork_run": "simulation.runs.fork",
    "hold_tournament": "simulation.studies.measure",
    "load_run": "simulation.tables.run",
    "load_runs": "simulation.tables.runs",
    "load_tournament": "simulation.studies.tournament.results",
    "load_training": "simulation.training.tables",
    "measure_effect": "simulation.studies.measure",
    "measure_experiment": "simulation.studies.measure",
    "measure_fingerprints": "simulation.studies.measure",
    "measure_population": "simulation.studies.measure",
    "recorded_names": "simulation.runs.recorded",
    "recorded_run": "simulation.runs.recorded",
    "replay_run": "simulation.runs.replay",
    "resume_run": "simulation.runs.runner",
    "resume_training": "simulation.training.start",
    "run_blocking": "agents.inference.loops",
    "run_scenario": "simulation.runs.runner",
    "save_picture": "simulation.pictures.export",
    "say": "simulation.runs.live",
    "sweep": "simulation.runs.sweep",
    "train_scenario": "simulation.training.start",
    "write_report": "simulation.report.page",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
