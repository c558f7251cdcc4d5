"""The strategy effect, causally: the same episodes played twice, with messages delivered and with them treated.

Both runs share scenario and seed, so each episode has its twin: the same draws of the game, the same seeds for
every reply; only what is heard differs. An effect is the mean over episodes of delivered - treated. Its
interval is a paired bootstrap over episodes, its p-value a sign-flip permutation test, adjusted (Holm) for all
effects of the report. Real servers are not deterministic; that adds noise to the differences, no bias.
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
from agents.strategy import TrainingMode
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.inference import LEVEL, holm, paired_bootstrap, sign_flip_p_value
from simulation.metrics.registry import Interval
from simulation.metrics.result_table import interval_plot, table_of
from simulation.modes import MixingPolicy
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.runner import Observer, RunStatus
from simulation.store.files import replace_file
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

    A role that one model alone has stands under that model, and a mode played throughout under `overall`.
    """

    OVERALL = "overall"
    MODEL = "model_id"
    ROLE = "role"
    MODE = "mode"


@dataclass(frozen=True)
class Effect:
    """Delivered minus treated, per episode of one task, in the measure's units; `interval.n` counts pairs.

    `group` names the model, role or mode; it is empty overall. `p_adjusted` is Holm's over the whole report.
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
class EffectReport:
    """All effects of one scenario. `tiers` says where the replies came from; `notes` what to know beside them."""

    scenario: str
    seed: int
    tiers: tuple[str, ...]
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]
    runs: Mapping[Treatment, Path]

    def find(
        self, treatment: Treatment, measure: EffectMeasure, scope: EffectScope = EffectScope.OVERALL, group: str = ""
    ) -> tuple[Effect, ...]:
        """The effects of that kind, one per task."""
        asked = (treatment, measure, scope, group)
        return tuple(each for each in self.effects if asked == (each.treatment, each.measure, each.scope, each.group))

    def table(self) -> pd.DataFrame:
        """One row per effect: the fields of `Effect`, its interval as `value`, `low`, `high` and `pairs`."""
        return table_of(self.effects, count="pairs")

    def plot(self) -> Figure:
        """The effects on all models together with their intervals, each measure on an axis of its own."""
        table = self.table().query(f"scope == '{EffectScope.OVERALL.value}'")
        title = f"{self.scenario}: effect of messages"
        keys = {"color": "task_id", "facet_col": "measure"}
        return interval_plot(table, "treatment", title=title, x="delivered - treated", **keys)


def read_effects(folder: Path, *, level: float = LEVEL, mix_tiers: bool = False) -> EffectReport:
    """The report of a folder of `play_treatments`, also written to its effect.json.

    Raises SocietyError where a run is missing, and MixedTiersError.
    """
    paths = {treatment: run_folders(folder, treatment) for treatment in Treatment}
    runs = {treatment: Run(found[0]) for treatment, found in paths.items() if found}
    report = compare(runs, level=level, mix_tiers=mix_tiers)
    replace_file(folder / REPORT, orjson.dumps(_plain(report), option=orjson.OPT_INDENT_2) + b"\n")
    return report


def _plain(report: EffectReport) -> Mapping[str, object]:
    runs = {treatment.value: path.as_posix() for treatment, path in report.runs.items()}
    return {**asdict(replace(report, runs={})), "runs": runs}


def compare(runs: Mapping[Treatment, Run], *, level: float = LEVEL, mix_tiers: bool = False) -> EffectReport:
    """Every effect of runs of one scenario and seed, one per treatment.

    Synthetic episodes are left out, and tiers never mixed unless asked. Raises SocietyError where the delivered
    run is missing, another scenario was played or nothing is left, and MixedTiersError.
    """
    import pandas as pd

    delivered = runs.get(Treatment.DELIVERED)
    if delivered is None or len(runs) < 2:
        raise SocietyError("an effect needs the delivered run and at least one treated run")
    _check_twins(runs)
    kept = {treatment: _rows(run) for treatment, run in runs.items()}
    everything = comparable_rows(pd.concat(kept.values()), mix_tiers=mix_tiers)
    control = kept[Treatment.DELIVERED]
    if control.empty:
        raise SocietyError("nothing to compare: every finished episode is synthetic (a formula over words, not play)")
    found = [
        effect
        for treatment, treated in kept.items()
        if treatment is not Treatment.DELIVERED
        for effect in _effects(treatment, _differences(control, treated), level)
    ]
    adjusted = holm([effect.p_value for effect in found])
    return EffectReport(
        scenario=delivered.manifest["scenario"]["name"],
        seed=int(delivered.manifest["seed"]),
        tiers=tiers(everything),
        effects=tuple(replace(effect, p_adjusted=p) for effect, p in zip(found, adjusted, strict=True)),
        notes=tuple(_notes(delivered, list(kept), control)),
        runs={treatment: run.path for treatment, run in runs.items()},
    )


def _check_twins(runs: Mapping[Treatment, Run]) -> None:
    """Runs may differ in their treatment and in nothing else that decides an episode."""
    facts = {treatment: _facts(run) for treatment, run in runs.items()}
    for treatment, own in facts.items():
        if runs[treatment].manifest["status"] != RunStatus.FINISHED.value:
            raise SocietyError(f"{runs[treatment].path} is not finished; finish it with: society effect FOLDER")
        different = [key for key, value in own.items() if value != facts[Treatment.DELIVERED][key]]
        if different:
            raise SocietyError(f"the {treatment.value} run is no twin of the delivered one: {different[0]} differs")
        said = runs[treatment].manifest["scenario"]["communication"].get("treatment", Treatment.DELIVERED.value)
        if said != treatment.value:
            raise SocietyError(f"{runs[treatment].path} was played {said}, not {treatment.value}")


def _facts(run: Run) -> dict[str, object]:
    scenario = dict(run.manifest["scenario"])
    communication = {**scenario["communication"], "treatment": None}
    return {**scenario, "communication": communication, "roster": run.manifest["roster"]}


def _rows(run: Run) -> pd.DataFrame:
    rows = comparable_rows(run.outcomes, mix_tiers=True)  # tiers are looked at over all runs
    return rows.astype(dict.fromkeys((*_PAIR[1:], "tier"), str))


def _differences(control: pd.DataFrame, treated: pd.DataFrame) -> pd.DataFrame:
    """Delivered minus treated, one row per model and episode."""
    columns = [*_PAIR, *_FIGURES]
    pairs = control[columns].merge(treated[columns], on=_PAIR, how="outer", suffixes=("", "_treated"), indicator=True)
    if not bool((pairs["_merge"] == "both").all()):
        lonely = int((pairs["_merge"] != "both").sum())
        raise SocietyError(f"{lonely} outcomes have no twin in the other run: these are not the same episodes")
    for figure in _FIGURES:
        pairs[figure] = pairs[figure] - pairs[f"{figure}_treated"]
    return pairs[columns]


def _effects(treatment: Treatment, differences: pd.DataFrame, level: float) -> Iterator[Effect]:
    for task_id, rows in differences.groupby("task_id", sort=True):
        for scope, group, members in _groups(rows):
            for measure in EffectMeasure:
                if measure is EffectMeasure.WELFARE and scope in (EffectScope.MODEL, EffectScope.ROLE):
                    continue  # welfare is the whole episode's
                values = members.groupby("episode")[measure.value].mean().dropna().to_numpy()
                if len(values) >= 2:
                    p = sign_flip_p_value(values)
                    interval = paired_bootstrap(values, level=level)
                    yield Effect(treatment, str(task_id), measure, scope, group, interval, p, p)


def _groups(rows: pd.DataFrame) -> Iterator[tuple[EffectScope, str, pd.DataFrame]]:
    yield EffectScope.OVERALL, "", rows
    for scope in (EffectScope.MODEL, EffectScope.ROLE, EffectScope.MODE):
        if rows[scope.value].nunique() > 1:
            for name, members in rows.groupby(scope.value, sort=True):
                if scope is not EffectScope.ROLE or members["model_id"].nunique() > 1:
                    yield scope, str(name), members


def _notes(delivered: Run, played: Sequence[Treatment], control: pd.DataFrame) -> Iterator[str]:
    """What keeps a figure of the report from meaning what it seems to mean."""
    messages = delivered.messages[delivered.messages["episode"].isin(control["episode"])]
    heard = messages.explode("audience").dropna(subset=["audience"])
    inboxes = heard.groupby(["episode", "step", "talk_round", "audience"]).size()
    if heard.empty:
        yield "no message was heard even when delivered (mode or topology): there is nothing to take away"
    elif Treatment.SHUFFLED in played and int(inboxes.max()) < 2:
        yield "nobody ever heard two messages at once: shuffled changes nothing here"
    if Treatment.REPLACED in played and control["role"].nunique() < 2:
        yield "all models have one role: replaced changes nothing here"
    pairs = control.groupby("task_id")["episode"].nunique().min()
    if pairs < 6:
        yield f"with {pairs} pairs no p-value can fall below {2 / 2**pairs:g}: run more episodes"
    if Tier.SIMULATED.value in tiers(control):
        yield "SIMULATED minds act by role and do not listen: what they do cannot depend on messages"


COMMAND = "society effect"


TREATMENTS = (Treatment.SILENCED, Treatment.SHUFFLED, Treatment.REPLACED)


_LEARNING = (MixingPolicy.UCB1, MixingPolicy.EXP3)


def play_treatments(
    plan: Plan,
    treatments: Sequence[Treatment] = TREATMENTS,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
) -> Path:
    """Play `plan` once delivered and once under each treatment; the folder that holds the runs.

    Raises SocietyError for a scenario whose episodes have no twins, and where a run stops.
    """
    _check_pairs(plan)
    arms = {treatment.value: _treated(plan, treatment) for treatment in (Treatment.DELIVERED, *treatments)}
    folder = run_set.begin("effect", plan.scenario.name, arms, out)
    return run_set.play(folder, COMMAND, on_event=on_event, at_once=1)


def resume_treatments(folder: Path) -> Path:
    """Play what is missing in a folder that was cut off. Raises SocietyError where no run was begun there."""
    return run_set.play(folder, COMMAND, at_once=1)


def run_folders(folder: Path, treatment: Treatment) -> list[Path]:
    """The run directories of one treatment in an effect's folder."""
    return run_set.run_folders(folder, treatment.value)


def _treated(plan: Plan, treatment: Treatment) -> Plan:
    communication = plan.scenario.communication.model_copy(update={"treatment": treatment})
    return replace(plan, scenario=plan.scenario.model_copy(update={"communication": communication}))


def _check_pairs(plan: Plan) -> None:
    scenario = plan.scenario
    if scenario.mode is TrainingMode.MIXED and scenario.mixing.policy in _LEARNING:
        raise SocietyError(
            f"the mixing policy {scenario.mixing.policy.value} learns from welfare, so treated episodes would be "
            'played in other modes than delivered ones; add: --set "mode={mixed: {policy: fixed_cycle}}"'
        )
    if scenario.episodes < 2:
        raise SocietyError("an effect needs at least 2 pairs of episodes; add: --episodes 20 (or more)")
