"""`measure_metrics`: every registered metric that applies to runs, with what it measures and where it is from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from agents.problems import SocietyError
from simulation.metrics import metrics
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.calls import Percentiles
from simulation.metrics.intervals import missing_intervals
from simulation.metrics.registry import Interval, Metric
from simulation.metrics.result_table import table_of

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


@dataclass(frozen=True)
class MetricRow:
    """One value of a metric.

    Attributes:
        metric: The metric's name.
        part: What it is of, where a metric has several values: an outcome, a tier, two teams.
        value: In the units that `meaning` names.
        interval: Its interval, where the metric has one.
        meaning: What the metric measures.
        source: The paper or the place that defines it.
    """

    metric: str
    part: str
    value: float
    interval: Interval | None
    meaning: str
    source: str


@dataclass(frozen=True)
class MetricReport(StudyResult):
    """All values of all metrics that apply. `notes` name metrics that could not be computed, and why."""

    rows: tuple[MetricRow, ...]
    notes: tuple[str, ...]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table."""
        return StudyBanner("metrics: all models together, synthetic episodes left out", self.counts, self.notes)

    def table(self) -> pd.DataFrame:
        """One row per value: the fields of `MetricRow`, the interval as `low`, `high` and `n`."""
        return table_of(self.rows)


def measure_metrics(runs: Sequence[Run], *, mix_tiers: bool = False) -> MetricReport:
    """Compute every registered metric that applies to `runs`, all models together; synthetic episodes are left out.

    Args:
        runs: Runs of the same tasks; seeds may differ.
        mix_tiers: Whether replies of several tiers may be averaged.
    """
    rows: list[MetricRow] = []
    failed: dict[str, list[str]] = {}
    parts_of = cache(lambda of: of.parts(runs, mix_tiers))
    for metric in metrics().values():
        try:
            rows += _rows(metric, parts_of(metric.of))
        except SocietyError as error:
            failed.setdefault(str(error), []).append(metric.name)
    notes = [f"{', '.join(names)}: {why}" for why, names in failed.items()]
    notes += missing_intervals(row.interval for row in rows if row.interval)
    return MetricReport(tuple(rows), tuple(notes), SourceCounts.of_runs(run.path for run in runs))


def _rows(metric: Metric, parts: Mapping[str, tuple[Any, ...]]) -> Iterator[MetricRow]:
    for part, arguments in parts.items():
        for name, value in _values(part, metric.of.apply(metric.function, *arguments)):
            interval = value if isinstance(value, Interval) else None
            number = float(interval.value if interval else value)
            yield MetricRow(metric.name, name, number, interval, metric.meaning, metric.source)


def metric_values(metric: Metric, runs: Sequence[Run], mix_tiers: bool = False) -> dict[str, float]:
    """Return the values of one metric of `runs`, by the name of their part; empty where it does not apply.

    Raises:
        SocietyError: It cannot be computed.
    """
    return {row.part: row.value for row in _rows(metric, metric.of.parts(runs, mix_tiers))}


def _values(part: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values in what a metric returns, each with its name."""
    if isinstance(value, Percentiles):
        value = {f"p{percent}": getattr(value, f"p{percent}") for percent in (50, 90, 99)}
    if isinstance(value, Mapping):
        yield from ((f"{part} {name}".strip(), each) for name, each in value.items())
    elif value is not None:
        yield part, value
