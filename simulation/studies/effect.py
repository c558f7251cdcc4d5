"""What messages do: the same episodes are played twice, with messages delivered and with messages treated.

Both runs have the same scenario and seed, so each episode has a twin: the same random draws of the game and the same
seeds of every reply; only what players hear differs. An effect is the mean over episodes of delivered - treated. Its
interval is over episodes; its p-value is a sign-flip permutation test, adjusted (Holm) for all effects of the report.
Real servers are not deterministic; that adds noise to the differences, but no bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from agents.inference.provenance import Tier
from agents.problems import SocietyError
from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.inference import holm, sign_flip_p_value
from simulation.metrics.intervals import mean_interval, missing_intervals
from simulation.metrics.registry import LEAST_UNITS, LEVEL, Interval
from simulation.metrics.result_table import interval_plot, table_of
from simulation.store.files import replace_file
from simulation.store.run_directory import RunStatus
from simulation.studies.treatments import run_folders
from simulation.tables.run import Run
from simulation.treatment import Treatment

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

REPORT = "effect.json"
_PAIR = ["episode", "task_id", "mode", "model_id", "role"]
_FIGURES = ["payoff", "welfare", "cooperation_score"]


class EffectMeasure(str, Enum):
    """What is compared: a model's payoff, the episode's welfare, a model's cooperation score (0-1)."""

    PAYOFF = "payoff"
    WELFARE = "welfare"
    COOPERATION = "cooperation_score"


class EffectScope(str, Enum):
    """Whose figures are averaged within an episode: everyone's, or those of one model, role or mode.

    A role of a single model is listed under the model, and a mode that all episodes have under `overall`.
    """

    OVERALL = "overall"
    MODEL = "model_id"
    ROLE = "role"
    MODE = "mode"


@dataclass(frozen=True)
class Effect:
    """Delivered minus treated, per episode of one task.

    Attributes:
        treatment: What was done to messages in the treated run.
        task_id: The task.
        measure: What is compared.
        scope: Whose figures are averaged.
        group: The model, role or mode; empty overall.
        interval: The mean difference in the measure's units; `n` counts pairs of episodes.
        p_value: Of no effect.
        p_adjusted: The same, adjusted (Holm) for all effects of the report.
    """

    treatment: Treatment
    task_id: str
    measure: EffectMeasure
    scope: EffectScope
    group: str
    interval: Interval
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class EffectReport(StudyResult):
    """All effects of one scenario.

    Attributes:
        scenario: Its name.
        seed: The seed of all runs.
        tiers: The tiers that replies came from.
        effects: All effects.
        notes: What a reader must know of them.
        runs: The run directory of each treatment.
        counts: Where the texts of all runs came from.
    """

    scenario: str
    seed: int
    tiers: tuple[str, ...]
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]
    runs: Mapping[Treatment, Path]
    counts: SourceCounts

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table and the picture."""
        title = f"{self.scenario}: effect of messages, delivered - treated (seed {self.seed})"
        return StudyBanner(title, self.counts, self.notes)

    def find(
        self, treatment: Treatment, measure: EffectMeasure, scope: EffectScope = EffectScope.OVERALL, group: str = ""
    ) -> tuple[Effect, ...]:
        """The effects of a treatment on a measure, one per task."""
        key = (treatment, measure, scope, group)
        return tuple(each for each in self.effects if key == (each.treatment, each.measure, each.scope, each.group))

    def table(self) -> pd.DataFrame:
        """One row per effect: the fields of `Effect`, its interval as `value`, `low`, `high` and `pairs`."""
        return table_of(self.effects, count="pairs")

    def plot(self) -> Figure:
        """The effects on all models together with their intervals, each measure on an axis of its own."""
        table = self.table().query(f"scope == '{EffectScope.OVERALL.value}'")
        keys = {"color": "task_id", "facet_col": "measure"}
        return interval_plot(table, "treatment", self.banner, x="delivered - treated", **keys)


def read_effects(folder: Path, *, level: float = LEVEL, mix_tiers: bool = False) -> EffectReport:
    """The report of a folder of `play_treatments`; it is also written to effect.json there.

    Args:
        folder: The folder.
        level: Confidence level of the intervals, in (0, 1).
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        SocietyError: A run is missing or unfinished.
        MixedTiersError: Replies came from several tiers.
    """
    paths = {treatment: run_folders(folder, treatment) for treatment in Treatment}
    runs = {treatment: Run(found[0]) for treatment, found in paths.items() if found}
    report = compare(runs, level=level, mix_tiers=mix_tiers)
    replace_file(folder / REPORT, orjson.dumps(_plain(report), option=orjson.OPT_INDENT_2) + b"\n")
    return report


def _plain(report: EffectReport) -> Mapping[str, object]:
    runs = {treatment.value: path.as_posix() for treatment, path in report.runs.items()}
    return {"title": report.banner.title, **asdict(replace(report, runs={})), "runs": runs}


def compare(runs: Mapping[Treatment, Run], *, level: float = LEVEL, mix_tiers: bool = False) -> EffectReport:
    """Every effect in runs of one scenario and seed, one run per treatment; synthetic episodes are left out.

    Raises:
        SocietyError: The delivered run is missing, runs differ in more than the treatment, or nothing is left.
        MixedTiersError: Replies came from several tiers.
    """
    import pandas as pd

    delivered = runs.get(Treatment.DELIVERED)
    if delivered is None or len(runs) < 2:
        raise SocietyError("an effect needs the delivered run and at least one treated run")
    _check_settings(runs)
    rows = {treatment: _rows(run) for treatment, run in runs.items()}
    everything = comparable_rows(pd.concat(rows.values()), mix_tiers=mix_tiers)
    control = rows[Treatment.DELIVERED]
    if control.empty:
        raise SocietyError("nothing to compare: every finished episode is synthetic (a formula over words, not play)")
    found = [
        effect
        for treatment, treated in rows.items()
        if treatment is not Treatment.DELIVERED
        for effect in _effects(treatment, _differences(control, treated), level)
    ]
    adjusted = holm([effect.p_value for effect in found])
    return EffectReport(
        scenario=delivered.manifest["scenario"]["name"],
        seed=int(delivered.manifest["seed"]),
        tiers=tiers(everything),
        effects=tuple(replace(effect, p_adjusted=p) for effect, p in zip(found, adjusted, strict=True)),
        notes=(*_notes(delivered, list(rows), control), *missing_intervals(each.interval for each in found)),
        runs={treatment: run.path for treatment, run in runs.items()},
        counts=SourceCounts.of_runs(run.path for run in runs.values()),
    )


def _check_settings(runs: Mapping[Treatment, Run]) -> None:
    """Check that runs differ in their treatment only."""
    settings = {treatment: _settings(run) for treatment, run in runs.items()}
    for treatment, own in settings.items():
        if runs[treatment].manifest["status"] != RunStatus.FINISHED.value:
            raise SocietyError(f"{runs[treatment].path} is not finished; finish it with: society study effect FOLDER")
        different = [key for key, value in own.items() if value != settings[Treatment.DELIVERED][key]]
        if different:
            raise SocietyError(
                f"runs are not comparable: `{different[0]}` differs between {treatment.value} and delivered"
            )
        played = runs[treatment].manifest["scenario"]["communication"].get("treatment", Treatment.DELIVERED.value)
        if played != treatment.value:
            raise SocietyError(f"{runs[treatment].path}: its messages were {played}, not {treatment.value}")


def _settings(run: Run) -> dict[str, object]:
    scenario = dict(run.manifest["scenario"])
    communication = {**scenario["communication"], "treatment": None}
    return {**scenario, "communication": communication, "roster": run.manifest["roster"]}


def _rows(run: Run) -> pd.DataFrame:
    rows = comparable_rows(run.outcomes, mix_tiers=True)  # tiers are checked over all runs
    return rows.astype(dict.fromkeys((*_PAIR[1:], "tier"), str))


def _differences(control: pd.DataFrame, treated: pd.DataFrame) -> pd.DataFrame:
    """Delivered minus treated, one row per model and episode."""
    columns = [*_PAIR, *_FIGURES]
    pairs = control[columns].merge(treated[columns], on=_PAIR, how="outer", suffixes=("", "_treated"), indicator=True)
    if not bool((pairs["_merge"] == "both").all()):
        unpaired = int((pairs["_merge"] != "both").sum())
        raise SocietyError(f"{unpaired} outcomes are in one run only: these are not the same episodes")
    for figure in _FIGURES:
        pairs[figure] = pairs[figure] - pairs[f"{figure}_treated"]
    return pairs[columns]


def _effects(treatment: Treatment, differences: pd.DataFrame, level: float) -> Iterator[Effect]:
    for task_id, rows in differences.groupby("task_id", sort=True):
        for scope, group, members in _groups(rows):
            for measure in EffectMeasure:
                if measure is EffectMeasure.WELFARE and scope in (EffectScope.MODEL, EffectScope.ROLE):
                    continue  # welfare is a figure of the whole episode
                values = members.groupby("episode")[measure.value].mean().dropna().to_numpy()
                if len(values) >= 2:
                    p = sign_flip_p_value(values)
                    interval = mean_interval(values, level=level, unit="pairs")
                    yield Effect(treatment, str(task_id), measure, scope, group, interval, p, p)


def _groups(rows: pd.DataFrame) -> Iterator[tuple[EffectScope, str, pd.DataFrame]]:
    yield EffectScope.OVERALL, "", rows
    for scope in (EffectScope.MODEL, EffectScope.ROLE, EffectScope.MODE):
        if rows[scope.value].nunique() > 1:
            for name, members in rows.groupby(scope.value, sort=True):
                if scope is not EffectScope.ROLE or members["model_id"].nunique() > 1:
                    yield scope, str(name), members


def _notes(delivered: Run, played: Sequence[Treatment], control: pd.DataFrame) -> Iterator[str]:
    """What a reader must know so as not to misread a figure."""
    messages = delivered.messages[delivered.messages["episode"].isin(control["episode"])]
    heard = messages.explode("audience").dropna(subset=["audience"])
    inboxes = heard.groupby(["episode", "step", "talk_round", "audience"]).size()
    if heard.empty:
        yield "no message was heard in the delivered run (mode or topology): there is nothing to treat"
    elif Treatment.SHUFFLED in played and int(inboxes.max()) < 2:
        yield "no model heard two messages at the same time: shuffled changes nothing here"
    if Treatment.REPLACED in played and control["role"].nunique() < 2:
        yield "all models have one role: replaced changes nothing here"
    pairs = control.groupby("task_id")["episode"].nunique().min()
    if pairs < LEAST_UNITS:
        yield f"with {pairs} pairs no p-value can be below {2 / 2**pairs:g}: run more episodes"
    if Tier.SIMULATED.value in tiers(control):
        yield "SIMULATED replies follow a policy of the role and ignore messages: they show no effect"
