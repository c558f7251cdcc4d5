"""A small society of the tiny model's adapters: the embedded tier as it is, in seconds instead of half a minute."""

from __future__ import annotations

from typing import Any

from agents.roster import ModelConfig, Roster
from simulation.plan import Plan
from simulation.scenario import Scenario
from tests.integration.vllm.tiny_model import tiny_model


def tiny_plan(**keys: Any) -> Plan:
    """Return a plan in which each adapter of the tiny model talks and decides twice; `keys` are the scenario's."""
    tiny = tiny_model()
    rows = [ModelConfig(model_id=name, model_name=name, adapter=str(tiny.adapters / name)) for name in tiny.names]
    scenario = {
        "name": "tiny",
        "mode": "cooperative",
        "roster": "inline",
        "seed": 1,
        "episodes": 1,
        "tasks": [{"task_id": "dilemma", "task_type": "prisoners_dilemma", "max_steps": 2}],
        "communication": {"talk_rounds": 1},
        "inference": {"tiers": ["embedded"], "embedded_model": str(tiny.base), "max_tokens": 12},
        **keys,
    }
    return Plan(Scenario.model_validate(scenario), Roster(name="tiny", base_model=str(tiny.base), models=tuple(rows)))
