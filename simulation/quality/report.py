"""The report of `society study quality`: mean marks per model, role and tier, with intervals over episodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from agents.inference.provenance import Tier
from agents.problems import SocietyError
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.intervals import UNIT, cluster_interval, missing_intervals, ratio
from simulation.metrics.registry import Interval
from simulation.metrics.result_table import interval_plot, table_of
from simulation.quality import find_scorer, scorers
from simulation.quality.scorer import Judge, Mark, Material, QualityMeasure, Scorer

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from simulation.tables.run import Run


class QualityScope(str, Enum):
    """Whose texts a mean is of, within one tier."""

    ALL = "all"
    ROLE = "role"
    MODEL = "model"


@dataclass(frozen=True)
class QualityRow:
    """A measure's mean over the texts of one tier, or of one role or model at that tier.

    Attributes:
        scorer: Who gave the marks.
        measure: What they measure.
        tier: The tier of the texts.
        scope: Whose texts they are.
        name: The role or the model; empty for all.
        value: The mean.
        interval: Its interval over episodes.
        texts: How many texts were marked.
        episodes: How many episodes they are from.
        judge: The model that gave the marks, if a model did.
        synthetic: The marks are a formula over words.
        secondary: The marks are a model's opinion.
    """

    scorer: str
    measure: str
    tier: str
    scope: QualityScope
    name: str
    value: float
    interval: Interval
    texts: int
    episodes: int
    judge: str
    synthetic: bool
    secondary: bool


@dataclass(frozen=True)
class QualityReport(StudyResult):
    """All means.

    Attributes:
        run: The name of the run's directory.
        rows: All means.
        meanings: Explains scorers and measures by name.
        notes: What a reader must know of the rows.
        counts: Where the texts of the run came from.
    """

    run: str
    rows: tuple[QualityRow, ...]
    meanings: dict[str, str]
    notes: tuple[str, ...]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the tables and the picture."""
        return StudyBanner(f"{self.run}: quality of texts", self.counts, self.notes)

    def table(self) -> pd.DataFrame:
        """One row per mean: the fields of `QualityRow`, its interval as `low` and `high`."""
        return table_of(self.rows, count="episodes")

    def plot(self) -> Figure:
        """The means over all texts of a tier with their intervals, each scorer in a picture of its own."""
        table = self.table().query(f"scope == '{QualityScope.ALL.value}'")
        return interval_plot(table, "measure", self.banner, color="tier", facet_col="scorer")


def report_quality(run: Run, names: Sequence[str] = (), judge: Judge | None = None) -> QualityReport:
    """Score a run's messages and decisions.

    Args:
        run: Its finished episodes count.
        names: The scorers; by default all, the judge among them where there is a `judge`.
        judge: The model that grades messages.

    Raises:
        SocietyError: A scorer is unknown, or the run has nothing to score.
    """
    chosen = [find_scorer(name) for name in dict.fromkeys(names)] or [
        each for each in scorers().values() if judge is not None or each.name != "judge"
    ]
    material = Material(run, judge)
    rows = tuple(row for each in chosen for row in _rows(each, material))
    if not rows:
        raise SocietyError(f"{run.path} has no finished episode with anything to score; finish it: society resume")
    meanings = {each.name: each.meaning for each in chosen}
    meanings |= {measure.name: measure.meaning for each in chosen for measure in each.measures}
    return QualityReport(run.path.name, rows, meanings, tuple(_notes(rows, material)), SourceCounts.of(run))


def _rows(scorer: Scorer, material: Material) -> Iterator[QualityRow]:
    import pandas as pd

    marks = pd.DataFrame(list(scorer.score(material)), columns=list(Mark._fields))
    roles = {config.model_id: config.role.value for config in material.run.roster.expand()}
    marks["role"] = marks["model_id"].map(roles)
    names = marks["measure"].map(lambda measure: measure.name)
    for measure in scorer.measures:
        for (tier, judge), of_tier in marks[names == measure.name].groupby(["tier", "judge"], sort=True):
            for scope, name, rows in _scopes(of_tier):
                yield _row(scorer, measure, rows, (str(tier), str(judge)), (scope, name))


def _scopes(rows: pd.DataFrame) -> Iterator[tuple[QualityScope, str, pd.DataFrame]]:
    yield QualityScope.ALL, "", rows
    for scope, column in ((QualityScope.ROLE, "role"), (QualityScope.MODEL, "model_id")):
        for name, part in rows.groupby(column, sort=True):
            yield scope, str(name), part


def _row(
    scorer: Scorer,
    measure: QualityMeasure,
    rows: pd.DataFrame,
    source: tuple[str, str],
    whose: tuple[QualityScope, str],
) -> QualityRow:
    sums = rows.groupby("episode")["value"].agg(["sum", "count"]).to_numpy(dtype="float64")
    interval = cluster_interval(ratio, sums, bounds=UNIT if measure.share else None)
    return QualityRow(
        scorer=scorer.name,
        measure=measure.name,
        tier=source[0],
        scope=whose[0],
        name=whose[1],
        value=float(rows["value"].mean()),
        interval=interval,
        texts=len(rows),
        episodes=len(sums),
        judge=source[1],
        synthetic=scorer.synthetic,
        secondary=scorer.secondary,
    )


def _notes(rows: Sequence[QualityRow], material: Material) -> Iterator[str]:
    if any(row.synthetic for row in rows):
        yield "SYNTHETIC marks are a formula over words, not a measurement."
    judges = sorted({row.judge for row in rows if row.judge})
    if judges and material.judge is not None:
        embedded = material.judge.tier is Tier.EMBEDDED
        where = "in this process" if embedded else f"at {', '.join(material.judge.endpoints)}"
        yield f"SECONDARY marks are the opinion of another model: {', '.join(judges)} {where}."
        if material.judge.adapter in {config.model_name for config in material.run.roster.expand()}:
            yield f"The judge {material.judge.adapter} grades its own messages too, and models favour their own."
    yield from missing_intervals(row.interval for row in rows)
