"""What the report shows of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation.report.studies import shown_banner
from simulation.training.known_answers import common_lines, known_answers

if TYPE_CHECKING:
    import pandas as pd

    from simulation.training.league.tables import League
    from simulation.training.tables import Training


def training_of(training: Training) -> dict[str, Any]:
    """Learning curves with known answers, what became of every situation, and the lineage of the versions."""
    config = training.plan.scenario.training
    columns = ["update", "learner", "value", "invalid", "entropy", "kl", "version", "parent"]
    cells = training.cells
    first = cells.groupby(["learner", "situation"], sort=False)["choice"].transform("first") if len(cells) else None
    return {
        "name": training.path.name,
        "banner": shown_banner(training.banner),
        "scenario": training.plan.scenario.name,
        "mode": training.plan.scenario.mode.value,
        "method": config.method.value if config else "",
        "updates": _plain(training.updates[columns]),
        "cells": cells[cells["choice"] == first].to_dict("records") if first is not None else [],
        "modes": training.modes.to_dict("records"),
        "gates": _plain(training.gates),
        "league": _league(training.league) if training.league else None,
        "known_answers": [each._asdict() for each in common_lines(known_answers(training.plan))],
    }


def _league(league: League) -> dict[str, Any]:
    """Rounds, mixtures, and what each learner's policies earn against those of the other."""
    payoffs = {name: league.payoffs(name).to_numpy().tolist() for name in league.mixture}
    return {"rounds": _plain(league.rounds), "mixture": league.mixture, "payoffs": payoffs}


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows, with None for what is missing."""
    rows = table.astype(object)
    records = rows.where(rows.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in records]
