"""Whether models give back what they got: in games of two, how a decision follows those of the other one before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from simulation.metrics.comparable import comparable_rows
from simulation.metrics.registry import metric

if TYPE_CHECKING:
    from simulation.tables.run import Run

LAGS = (1, 2)
"""Steps back."""
_MIDDLE = 0.5


@metric("Axelrod, The Evolution of Cooperation (1984); Nowak & Sigmund, Nature 364 (1993)")
def reciprocation(run: Run) -> Mapping[str, float] | None:
    """How much more models cooperate one and two steps after the other one did than after it did not (-1 to 1)."""
    if len(run.agents) != 2:
        return None
    table = run.steps.pivot(index=["episode", "step"], columns="model_id", values="cooperation")
    asked = {str(row.model_id) for row in run.agents.itertuples() if row.model_name}
    comparable_rows(run.steps[run.steps["model_id"].isin(asked)], synthetic=True)  # refuses a mix of tiers
    found = {f"lag{lag}": _difference(table, sorted(asked), lag) for lag in LAGS}
    return {name: value for name, value in found.items() if not math.isnan(value)} or None


def _difference(table: pd.DataFrame, models: list[str], lag: int) -> float:
    pairs = []
    for model in models:
        other = next(name for name in table.columns if name != model)
        before = table[other].groupby(level="episode").shift(lag)
        pairs.append(pd.DataFrame({"own": table[model], "before": before}).dropna())
    rows = pd.concat(pairs) if pairs else pd.DataFrame({"own": [], "before": []})
    kind = rows["before"] >= _MIDDLE
    return float(rows.loc[kind, "own"].mean() - rows.loc[~kind, "own"].mean())
