"""What an experiment measured: each measure in each arm, and how the arms differ from the control, seed by seed.

The runs of one seed are twins: they differ in the arm's values alone. A difference is the mean over seeds of arm -
control, with its interval over seeds and the p-value of a sign-flip test, adjusted (Holm) for all differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from agents.inference.provenance import Tier
from agents.problems import SocietyError, UsageError
from simulation.metrics import metrics
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.comparable import MixedTiersError
from simulation.metrics.inference import holm, sign_flip_p_value
from simulation.metrics.intervals import mean_interval, missing_intervals
from simulation.metrics.registry import LEVEL, Interval
from simulation.metrics.result_table import interval_plot, table_of
from simulation.runs.run_set import finished_runs
from simulation.store.files import replace_file
from simulation.studies.experiment.definition import PART, Experiment
from simulation.studies.experiment.play import ARM, COMMAND, EXPERIMENT, SEED
from simulation.studies.metrics import metric_values
from simulation.sweep_values import arms_in

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from simulation.tables.run import Run

REPORT = "report.json"


@dataclass(frozen=True)
class ArmFigure:
    """One measure of one arm.

    Attributes:
        measure: The metric.
        arm: The arm.
        interval: Its mean over seeds.
        difference: Arm - control, over the seeds in which both have a value; None for the control, or without any.
        p_value: Of the difference, two-sided; nan without one.
        p_adjusted: Adjusted for all differences of the experiment.
    """

    measure: str
    arm: str
    interval: Interval
    difference: Interval | None = None
    p_value: float = math.nan
    p_adjusted: float = math.nan


@dataclass(frozen=True)
class ExperimentReport(StudyResult):
    """What an experiment measured.

    Attributes:
        experiment: What was asked.
        figures: One per measure and arm.
        notes: What a reader must know so as not to misread a figure.
        counts: Where the texts came from.
    """

    experiment: Experiment
    figures: tuple[ArmFigure, ...]
    notes: tuple[str, ...]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table and the picture."""
        return StudyBanner(f"{self.experiment.name}: {self.experiment.description}", self.counts, self.notes)

    def find(self, measure: str, arm: str) -> ArmFigure:
        """Return a figure. Raises KeyError where there is none."""
        for each in self.figures:
            if (each.measure, each.arm) == (measure, arm):
                return each
        raise KeyError(f"{measure} in {arm}")

    def table(self) -> pd.DataFrame:
        """One row per measure and arm, the interval as `value`, `low`, `high` and `n`."""
        return table_of(self.figures)

    def plot(self) -> Figure:
        """Every measure's mean in every arm with its interval, each measure on an axis of its own."""
        rows = self.table()
        parts = {"facet_col": "measure", "facet_col_wrap": 2, "facet_row_spacing": 0.3}
        return interval_plot(rows, "arm", self.banner, x="mean over seeds", **parts)


def read_experiment_report(folder: str | Path, *, level: float = LEVEL, mix_tiers: bool = False) -> ExperimentReport:
    """Return what a played experiment measured; it is also written to report.json in its folder.

    Args:
        folder: The folder of `play_experiment`.
        level: Confidence level of the intervals, in (0, 1).
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        UsageError: The folder is no experiment's, or a measure does not fit what was played.
        SocietyError: A run is missing or unfinished.
        MixedTiersError: Replies came from several tiers.
    """
    home = Path(folder)
    try:
        experiment = Experiment.model_validate(orjson.loads((home / EXPERIMENT).read_bytes()))
    except (OSError, ValueError) as error:
        raise UsageError(f"{home / EXPERIMENT} cannot be read: {error}") from error
    runs = finished_runs(home, COMMAND)
    values = arms_in(home)
    measured = {(str(values[place][ARM]), _seed(values[place])): run for place, run in runs.items()}
    counts = SourceCounts.of_runs(run.path for run in runs.values())
    _refuse_mixed_tiers(counts, mix_tiers)
    try:
        figures = tuple(_figures(experiment, measured, level, mix_tiers))
    except UsageError as error:
        fix = f"the runs are kept: correct measures in {home / EXPERIMENT}, then: {COMMAND} {home}"
        raise UsageError(f"{error}\n{fix}") from error
    report = ExperimentReport(experiment, figures, tuple(_notes(figures, counts)), counts)
    replace_file(home / REPORT, orjson.dumps(_plain(report), option=orjson.OPT_INDENT_2) + b"\n")
    return report


def _seed(values: Mapping[str, object]) -> int:
    return int(str(values[SEED]))


def _plain(report: ExperimentReport) -> Mapping[str, object]:
    plain = {**asdict(report), "experiment": report.experiment.model_dump(mode="json")}
    return {"title": report.banner.title, **plain}


def _refuse_mixed_tiers(counts: SourceCounts, mix_tiers: bool) -> None:
    found = [tier for tier in counts.texts if tier != Tier.SCRIPTED.value]
    if len(found) > 1 and not mix_tiers:
        raise MixedTiersError(
            f"runs of the tiers {', '.join(found)} would be averaged; play on one (--require {found[0]}), or ask for "
            "the mix with mix_tiers"
        )


def _figures(
    experiment: Experiment, runs: Mapping[tuple[str, int], Run], level: float, mix_tiers: bool
) -> Iterator[ArmFigure]:
    found = [
        figure
        for measure in experiment.measures
        for figure in _of_measure(experiment, measure, _measured(measure, runs, mix_tiers), level)
    ]
    tested = [place for place, each in enumerate(found) if not math.isnan(each.p_value)]
    adjusted = dict(zip(tested, holm([found[place].p_value for place in tested]), strict=True))
    for place, each in enumerate(found):
        yield replace(each, p_adjusted=adjusted[place]) if place in adjusted else each


def _measured(measure: str, runs: Mapping[tuple[str, int], Run], mix_tiers: bool) -> dict[tuple[str, int], float]:
    """Return the measure of every run that has one."""
    name, _, part = measure.partition(PART)
    found: dict[tuple[str, int], float] = {}
    known: set[str] = set()
    for place, run in runs.items():
        values = metric_values(metrics()[name], (run,), mix_tiers)
        known |= set(values)
        if math.isfinite(values.get(part, math.nan)):
            found[place] = values[part]
    if part not in known:
        told = ", ".join(PART.join(filter(None, (name, each))) for each in sorted(known)) or "nothing for these runs"
        raise UsageError(f"measures: {measure}: the metric {name} gives {told}")
    if not found:
        raise SocietyError(f"{measure}: no run has a value")
    return found


def _of_measure(
    experiment: Experiment, measure: str, values: Mapping[tuple[str, int], float], level: float
) -> Iterator[ArmFigure]:
    by_arm = {arm: {seed: value for (own, seed), value in values.items() if own == arm} for arm in experiment.arms}
    control = by_arm[experiment.control]
    for arm, mine in by_arm.items():
        if not mine:
            continue
        own = mean_interval(list(mine.values()), level=level, unit="seeds")
        twins = [mine[seed] - control[seed] for seed in mine if seed in control]
        if arm == experiment.control or not twins:
            yield ArmFigure(measure, arm, own)
            continue
        p = sign_flip_p_value(twins) if len(twins) > 1 else math.nan
        yield ArmFigure(measure, arm, own, mean_interval(twins, level=level, unit="seeds"), p)


def _notes(figures: Sequence[ArmFigure], counts: SourceCounts) -> Iterator[str]:
    yield "a difference is arm - control of the same seed; p (Holm) is adjusted for all differences of the experiment"
    if Tier.SIMULATED.value in counts.texts:
        yield "SIMULATED replies do not read what others wrote: no difference here is evidence about language models"
    yield from missing_intervals(each.difference for each in figures if each.difference)
