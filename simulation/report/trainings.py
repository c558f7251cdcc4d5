"""What the report shows of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.training.known_answers import common_lines, known_answers
from simulation.training.rollout import is_tabular

if TYPE_CHECKING:
    from simulation.training.tables import Training


def training_of(training: Training) -> dict[str, Any]:
    """Learning curves with known answers, what became of every situation, and the lineage of the versions."""
    config = training.plan.scenario.training
    columns = ["update", "learner", "value", "invalid", "entropy", "kl", "version", "parent"]
    rows = training.updates[columns].astype(object)
    cells = training.cells
    first = cells.groupby(["learner", "situation"], sort=False)["choice"].transform("first") if len(cells) else None
    return {
        "name": training.path.name,
        "scenario": training.plan.scenario.name,
        "mode": training.plan.scenario.mode.value,
        "method": config.method.value if config else "",
        "tabular": is_tabular(training.plan),
        "updates": rows.where(rows.notna(), None).to_dict("records"),
        "cells": cells[cells["choice"] == first].to_dict("records") if first is not None else [],
        "modes": training.modes.to_dict("records"),
        "known_answers": [each._asdict() for each in common_lines(known_answers(training.plan))],
    }
