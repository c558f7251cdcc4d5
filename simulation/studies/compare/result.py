"""The result of `compare_runs`: differences between runs, each with its interval and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.registry import Interval
from simulation.metrics.result_table import interval_plot, table_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


class ComparedFigure(str, Enum):
    """What is compared, per episode.

    `welfare`, `efficiency` and `gini` are figures of the whole episode; the others are means over models, or of one
    model.
    """

    WELFARE = "welfare"
    EFFICIENCY = "efficiency"
    COOPERATION = "cooperation_score"
    PAYOFF = "payoff"
    GINI = "gini"
    REWARD = "reward_earned"
    ACCURACY = "accuracy"


OF_EPISODES = (
    ComparedFigure.WELFARE,
    ComparedFigure.EFFICIENCY,
    ComparedFigure.COOPERATION,
    ComparedFigure.PAYOFF,
    ComparedFigure.GINI,
)
OF_MODELS = (ComparedFigure.PAYOFF, ComparedFigure.REWARD, ComparedFigure.COOPERATION, ComparedFigure.ACCURACY)


class ComparisonVerdict(str, Enum):
    """What the numbers support: the first side against the other."""

    HIGHER = "higher"
    LOWER = "lower"
    NOT_SHOWN = "no difference shown"
    TOO_FEW_PAIRS = "too few pairs"
    TOO_FEW_RUNS = "too few independent runs"


@dataclass(frozen=True)
class FigureDifference:
    """One figure of one task: the means of two sides, and their difference.

    Attributes:
        against: The other side.
        task_id: The task.
        model_id: The model; empty for the episode as a whole.
        figure: What is compared.
        first: The first side's mean.
        other: The other side's mean.
        interval: first - other; `n` counts pairs of seeds (or of passes), or the smaller side's units where unpaired.
            Its ends are nan where there is no interval.
        paired: Whether episodes were compared with their twins.
        verdict: What the numbers support.
        unit: What the figure is per, where the sides differ in size; empty where it is as it is.
    """

    against: str
    task_id: str
    model_id: str
    figure: ComparedFigure
    first: float
    other: float
    interval: Interval
    paired: bool
    verdict: ComparisonVerdict
    unit: str = ""


@dataclass(frozen=True)
class Comparison(StudyResult):
    """The first side against each other side.

    Attributes:
        sides: Their names.
        runs: The run directories of each side.
        seeds: The seeds of each side.
        tiers: The tiers behind the replies of each side.
        differs: Every setting that differs between sides: its value on each side, in order.
        differences: All differences.
        notes: What a reader must know of the figures.
        counts: Where the texts of all runs came from.
    """

    sides: tuple[str, ...]
    runs: Mapping[str, tuple[Path, ...]]
    seeds: Mapping[str, tuple[int, ...]]
    tiers: Mapping[str, tuple[str, ...]]
    differs: Mapping[str, tuple[str, ...]]
    differences: tuple[FigureDifference, ...]
    notes: tuple[str, ...]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the tables and the picture."""
        return StudyBanner(f"{self.sides[0]} against {', '.join(self.sides[1:])}", self.counts, tuple(self.facts()))

    def facts(self) -> Iterator[str]:
        """Yield what each side is, what differs between them, and the notes."""
        for name in self.sides:
            seeds = self.seeds[name]
            played = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds, {seeds[0]} to {seeds[-1]}"
            yield f"{name}: {len(self.runs[name])} runs, {played}, replies: {', '.join(self.tiers[name])}"
        for key, values in self.differs.items():
            yield f"differs in {key}: {' / '.join(values)}"
        yield from self.notes

    def find(self, figure: ComparedFigure, *, task_id: str | None = None, model_id: str = "") -> FigureDifference:
        """The first difference of a figure.

        Args:
            figure: What is compared.
            task_id: The task; by default any.
            model_id: The model; by default the episode as a whole.

        Raises:
            KeyError: There is none.
        """
        for each in self.differences:
            if (each.figure, each.model_id) == (figure, model_id) and task_id in (None, each.task_id):
                return each
        raise KeyError(f"{figure.value} of {task_id or 'any task'} {model_id}")

    def table(self) -> pd.DataFrame:
        """One row per difference: the fields of `FigureDifference`, its interval as `value`, `low`, `high` and `n`."""
        return table_of(self.differences)

    def plot(self) -> Figure:
        """The differences of whole episodes with their intervals, each figure on an axis of its own."""
        table = self.table().query("model_id == ''")
        x = f"{self.sides[0]} - other"
        parts = {"facet_col": "figure", "facet_col_wrap": 3, "facet_row_spacing": 0.3}
        return interval_plot(table, "against", self.banner, x=x, color="task_id", **parts)
