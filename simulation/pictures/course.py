"""How a run went: payoff and cooperation by step and model, welfare and Gini by episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.games.measures import known, welfare_ratio

if TYPE_CHECKING:
    from simulation.tables.base import Tables
    from simulation.tables.run import Run

SERIES = ("total_payoff", "payoff", "cooperation")


@dataclass(frozen=True)
class CourseLine:
    """One model's mean over the episodes of a task, mode and tier, by step from 1; None where no decision was valid."""

    model: str
    task: str
    mode: str
    tier: str
    figure: str
    steps: list[int]
    values: list[float | None]


@dataclass(frozen=True)
class EpisodePoint:
    """One finished episode, counted from 1; all but `gini` in the game's units."""

    episode: int
    task: str
    mode: str
    tier: str
    synthetic: bool
    welfare: float
    gini: float | None
    optimum: float
    welfare_ratio: float | None
    nash: float | None
    reason: str


def lines_of(tables: Tables) -> list[CourseLine]:
    """Mean payoff and cooperation by step. A line's tier is the lowest tier of a text in its episodes.

    Args:
        tables: A run; or runs, whose episodes are pooled, and whose tasks are named with their game.
    """
    import pandas as pd

    episodes = tables.episodes.astype(dict.fromkeys(("task_id", "task_type", "mode", "tier"), str))
    own = [key for key in ("run", "episode") if key in episodes]
    if "run" in own:
        episodes["task_id"] += ", " + episodes["task_type"]
    episodes = episodes[[*own, "task_id", "mode", "tier"]].rename(columns={"tier": "whole"})
    rows = tables.steps.merge(episodes, on=own)
    keys = ["task_id", "mode", "whole", "model_id"]
    means = rows.astype({"model_id": str}).groupby([*keys, "step"], sort=True)[list(SERIES)].mean().reset_index()
    found = []
    for (task, mode, tier, model), group in means.groupby(keys, sort=False):
        steps = [int(step) + 1 for step in group["step"]]
        for figure in SERIES:
            values = [None if pd.isna(value) else float(value) for value in group[figure]]
            found.append(CourseLine(str(model), str(task), str(mode), str(tier), figure, steps, values))
    return found


def episodes_of(run: Run) -> list[EpisodePoint]:
    """Every finished episode."""
    import pandas as pd

    return [
        EpisodePoint(
            episode=int(row["episode"]) + 1,
            task=str(row["task_id"]),
            mode=str(row["mode"]),
            tier=str(row["tier"]),
            synthetic=bool(row["synthetic"]),
            welfare=float(row["welfare"]),
            gini=None if pd.isna(row["gini"]) else float(row["gini"]),
            optimum=float(row["optimum"]),
            welfare_ratio=known(welfare_ratio(float(row["welfare"]), float(row["optimum"]))),
            nash=None if pd.isna(row["nash"]) else float(row["nash"]),
            reason=str(row["mode_reason"]),
        )
        for row in run.episodes.to_dict("records")
    ]
