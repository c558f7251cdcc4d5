"""Mean outcomes by model, adapter, role, team and mode, each with its interval over episodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulation.metrics.intervals import UNIT, mean_interval
from simulation.metrics.scores import SHARES
from simulation.tables.columns import SUMMARY_FIGURES
from simulation.tables.players import player_names

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.base import Tables

GROUPS = {"model": "model_id", "adapter": "adapter", "role": "role", "team": "team_id", "mode": "mode"}
_APART = ["task_type", "mode", "tier", "synthetic"]
"""Never averaged over: each game, mode and source of texts has figures of its own."""


@dataclass(frozen=True)
class ModelStanding:
    """Mean outcome of one model, adapter, role or team, or of a mode, over the episodes of a game, mode and tier.

    Several players are averaged within each episode first: an episode is one unit.

    Attributes:
        by: model, adapter, role, team or mode.
        name: Which one; where replies were simulated, the stand-in in place of the adapter.
        player: Who played a model; empty in other groups.
        game: The game.
        mode: The mode.
        tier: The tier.
        synthetic: Whether outcomes are a formula over words.
        figure: Which outcome.
        value: Its mean per episode.
        low: Lower end of the 95 % interval; None where there is none: below 6 episodes, or where all gave the same.
        high: Upper end of it.
        n: Episodes.
    """

    by: str
    name: str
    player: str
    game: str
    mode: str
    tier: str
    synthetic: bool
    figure: str
    value: float
    low: float | None
    high: float | None
    n: int


def standings_of(run: Tables) -> list[ModelStanding]:
    """Every figure of every group of a run."""
    return standings_in(named_outcomes(run))


def standings_in(rows: pd.DataFrame, figures: Sequence[str] = SUMMARY_FIGURES) -> list[ModelStanding]:
    """Return these figures of every group, from a run's `named_outcomes`."""
    return [each for by, column in GROUPS.items() for each in _standings(rows, by, column, figures)]


def named_outcomes(run: Tables, apart: Sequence[str] = ()) -> pd.DataFrame:
    """Return the outcomes of a run, or of many, with plain texts, and with who played as `adapter` and `player`.

    `player` is the same in all episodes of a model, game, mode and tier; `adapter` has no counts, so that models whose
    replies were partly simulated share it.

    Args:
        run: The run, or the runs.
        apart: Columns whose values have players of their own as well.
    """
    rows = run.outcomes.astype(dict.fromkeys((*_APART[:3], "model_id", "model_name", "role"), str))
    rows = rows.assign(team_id=rows["team_id"].astype(object))
    grouped = rows.groupby([*_APART, "model_id", *apart], observed=True, dropna=False)
    counts = grouped[["simulated", "texts"]].transform("sum")
    names = player_names(rows, counts)
    parts = (rows["model_name"] + ", partly simulated").where(counts["simulated"] > 0, rows["model_name"])
    whole = counts["simulated"] >= counts["texts"]
    return rows.assign(player=names, adapter=[n if w else p for n, w, p in zip(names, whole, parts, strict=True)])


def _standings(rows: pd.DataFrame, by: str, column: str, figures: Sequence[str]) -> Iterator[ModelStanding]:
    keys = list(dict.fromkeys([*_APART, column]))
    grouped = rows[rows[column].notna()].groupby([*keys, "episode"], sort=False)
    means = grouped[list(figures)].mean()
    players = grouped["player"].first().to_list() if by == "model" else [""] * len(means)
    values, places = means.to_numpy(dtype=float), defaultdict(list)  # a thousand models are a thousand groups
    for place, key in enumerate(means.index.droplevel("episode")):
        places[key].append(place)
    for key, own in places.items():
        game, mode, tier, synthetic = key[:4]
        for figure, means_of_figure in zip(figures, values[own].T, strict=True):
            known = means_of_figure[~np.isnan(means_of_figure)]
            if len(known):
                found = mean_interval(known, bounds=UNIT if figure in SHARES else None)
                yield ModelStanding(
                    by,
                    str(key[-1] if by != "mode" else mode),
                    players[own[0]],
                    game,
                    mode,
                    tier,
                    bool(synthetic),
                    figure,
                    found.value,
                    found.low if found.known else None,
                    found.high if found.known else None,
                    found.n,
                )
