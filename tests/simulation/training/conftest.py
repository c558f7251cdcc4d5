"""Trainings of tables: no model, seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.roster import ModelConfig, Roster
from simulation.plan import Plan
from simulation.scenario import Scenario
from simulation.training.run import begin_training

TABLES = tuple(ModelConfig(model_id=name, policy="tabular") for name in ("ann", "bo"))


def small_plan(rows: tuple[ModelConfig, ...] = TABLES, steps: int = 2, **keys: Any) -> Plan:
    """Make the plan of a training of two tables in a dilemma of two steps; `training` and other keys may be given."""
    training = {"learners": {"ann": {}, "bo": {}}, "method": "exact", "updates": 5, "episodes": 4}
    data = {
        "name": "small",
        "mode": "competitive",
        "roster": "inline",
        "seed": 3,
        "tasks": [{"task_id": "dilemma", "task_type": "prisoners_dilemma", "max_steps": steps}],
        "communication": {"talk_rounds": 0},
        **keys,
        "training": {**training, "adapter": {"learning_rate": 2.0}, **keys.get("training", {})},
    }
    return Plan(Scenario.model_validate(data), Roster(name="inline", base_model="base", models=rows))


@pytest.fixture
def training_plan() -> Callable[..., Plan]:
    """Make a plan as `small_plan`."""
    return small_plan


@pytest.fixture
def begin(training_plan: Callable[..., Plan], tmp_path: Path) -> Callable[..., Path]:
    """Make a training's folder."""
    return lambda **keys: begin_training(training_plan(**keys), tmp_path)
