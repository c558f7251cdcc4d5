"""Shared by all tests: small plans that run on the simulated tier."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from agents.role import ModelRole
from agents.roster import ModelConfig, Roster
from simulation.plan import Plan
from simulation.scenario import Scenario

ROLES = tuple(ModelRole)

# a shell that starts tests in the background has them ignore Ctrl-C, and what they start with them
signal.signal(signal.SIGINT, signal.default_int_handler)

# no test, and nothing a test starts, asks the keyring of who runs it
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"

# how busy a machine is decides nothing
settings.register_profile("society", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("society")


def models(count: int, **fields: Any) -> tuple[ModelConfig, ...]:
    """`count` models in all roles, dealt to teams red and blue."""
    return tuple(
        ModelConfig(
            model_id=f"m{i}",
            model_name="cooperator",
            role=ROLES[i % len(ROLES)],
            team_id=("red", "blue")[i % 2],
            **fields,
        )
        for i in range(count)
    )


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up the project's logger for its process; no test finds it so."""
    logger = logging.getLogger("society")
    before = (list(logger.handlers), logger.level, logger.propagate)
    root = list(logging.root.handlers)
    yield
    logging.root.handlers[:] = root
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """A plan for `count` models on the simulated tier; keywords replace the scenario's keys."""

    def make(count: int = 4, rows: tuple[ModelConfig, ...] | None = None, **keys: Any) -> Plan:
        data: dict[str, Any] = {
            "name": "small",
            "mode": "team_battle",
            "roster": "inline",
            "seed": 3,
            "episodes": 2,
            "tasks": [{"task_id": "goods", "task_type": "public_goods", "max_steps": 2}],
            "inference": {"tiers": ["simulated"]},
        }
        roster = Roster(name="r", base_model="SmolLM2-135M-Instruct", models=rows or models(count))
        return Plan(Scenario.model_validate({**data, **keys}), roster)

    return make


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
