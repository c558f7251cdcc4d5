"""`measure_sweep`: mean outcomes of each combination that a sweep played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.comparable import comparable_rows
from simulation.metrics.result_table import COLOURS, named_parts

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from simulation.tables.runs import Runs

SWEPT_FIGURES = ("welfare", "efficiency", "cooperation_score", "payoff", "gini")


@dataclass(frozen=True)
class SweepReport(StudyResult):
    """Means over seeds, models and episodes. `keys` are the columns of the swept values, task and tier."""

    means: pd.DataFrame
    keys: tuple[str, ...]
    notes: tuple[str, ...]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table and the picture."""
        return StudyBanner("mean outcome of each combination, over seeds and models", self.counts, self.notes)

    def table(self) -> pd.DataFrame:
        """One row per combination, task and tier: the keys, `runs`, and the mean of each figure."""
        return self.means

    def plot(self) -> Figure:
        """Each figure over the first swept key, in a picture of its own; a colour per value of the other keys."""
        import pandas as pd
        import plotly.express as px

        first, *others = self.keys
        long = self.means.melt([*self.keys, "runs"], list(SWEPT_FIGURES), "figure", "mean")
        long["which"] = long[others].astype(str).agg(", ".join, axis=1)
        look = {"template": "plotly_white", "color_discrete_sequence": list(COLOURS), "height": 900}
        names = {"which": "", "mean": ""}
        figure = px.line(long, x=first, y="mean", color="which", facet_row="figure", markers=True, labels=names, **look)
        if not pd.api.types.is_numeric_dtype(self.means[first]):
            figure.update_traces(mode="markers", marker_size=9)  # between names there is nothing
        return self.banner.above(named_parts(figure.update_yaxes(matches=None)))


def measure_sweep(runs: Runs) -> SweepReport:
    """The mean outcomes of each combination, seeds together, each task and tier by itself.

    Args:
        runs: The runs of a sweep, or any others: runs without swept values are one combination.
    """
    rows = comparable_rows(runs.outcomes, mix_tiers=True)  # a row for each tier
    keys = [column.name for column in runs.leading[3:] if column.name != "sweep.seed"] + ["task_id", "tier"]
    grouped = rows.groupby(keys, observed=True, dropna=False, sort=False)
    means = grouped[list(SWEPT_FIGURES)].mean()
    means.insert(0, "runs", grouped["run"].nunique())
    left_out = len(runs.outcomes) - len(rows)
    notes = [f"{left_out} outcomes of synthetic games and persons are left out"] if left_out else []
    return SweepReport(means.reset_index(), tuple(keys), tuple(notes), SourceCounts.of(runs, len(runs)))
