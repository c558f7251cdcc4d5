"""`compare_runs`: whether outcomes differ between two kinds of runs, with a verdict that the numbers support.

The twin of an episode is the episode of the other side with the same seed, task and pass (how often its run had played
the task before), and with the same value of every setting that varies on both sides alike. Twins have the same random
draws of the game, so they differ only because the sides differ, and because models draw. With too few twins the sides
are compared as independent samples, and a note says so.

Intervals are over seeds: episodes of one seed count as one unit (unpaired: Zou & Donner 2008). Where all runs have one
seed, each pass is a unit of its own, as every episode has random streams of its own. A verdict needs so many units that
a permutation test could reach the level.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents.inference.provenance import Tier
from agents.problems import SocietyError, UsageError
from simulation.metrics.banner import SourceCounts
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.intervals import cluster_interval, difference, missing_intervals, ratio
from simulation.metrics.registry import LEVEL, Interval
from simulation.studies.compare.result import (
    OF_EPISODES,
    OF_MODELS,
    ComparedFigure,
    Comparison,
    ComparisonVerdict,
    FigureDifference,
)
from simulation.studies.compare.scale import CompareScale
from simulation.studies.compare.sides import ComparedSide, differing, sides_by, sides_of, varying

if TYPE_CHECKING:
    import pandas as pd

TWIN = ["seed", "task_id", "variant", "pass"]
"""What an episode has in common with its twin; `variant`: the settings that vary on all sides alike."""
_DIGITS = 12  # what a division leaves beyond these is no difference
ENOUGH_TWINS = 0.5
"""Sides are compared in pairs where at least this share of the smaller side's episodes has a twin."""


def compare_runs(
    *places: str | Path,
    by: str | None = None,
    level: float = LEVEL,
    synthetic: bool = False,
    mix_tiers: bool = False,
) -> Comparison:
    """Compare the runs of the first place with those of each other place.

    Args:
        places: A run, a folder of runs or a pattern each.
        by: A dotted key of the scenario such as "mode": all runs are taken together and split by its value.
        level: Confidence level of the intervals, in (0, 1).
        synthetic: Whether synthetic episodes count.
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        UsageError: There is one place and no `by`.
        SocietyError: Nothing can be compared.
        MixedTiersError: Replies came from several tiers.
    """
    if by is None and len(places) < 2:
        raise UsageError("a comparison needs two runs or folders of runs, or one folder and --by KEY (--by mode)")
    return compare(sides_of(places) if by is None else sides_by(places, by), level, synthetic, mix_tiers)


def compare(
    sides: Sequence[ComparedSide], level: float = LEVEL, synthetic: bool = False, mix_tiers: bool = False
) -> Comparison:
    """Compare sides, as `compare_runs` does."""
    import pandas as pd

    differs, alike = differing(sides), varying(sides)
    whole = pd.concat([side.episodes(alike) for side in sides], ignore_index=True)
    rows = comparable_rows(whole, synthetic=synthetic, mix_tiers=mix_tiers)
    parts = {side.name: rows[rows["side"] == side.name] for side in sides}
    for name, part in parts.items():
        if part.empty:
            raise SocietyError(
                f"{name} has no finished episode to compare: synthetic ones and rows of persons do not count"
            )
    first, *others = (side.name for side in sides)
    found: list[FigureDifference] = []
    notes = list(_notes(whole, rows, parts, differs, alike))
    for other in others:
        pair = _Pair(other, parts[first], parts[other], level)
        found += pair.differences()
        notes += pair.notes()
    notes += missing_intervals(each.interval for each in found)
    return Comparison(
        sides=(first, *others),
        runs={side.name: side.runs.paths for side in sides},
        seeds={name: tuple(sorted({int(seed) for seed in part["seed"]})) for name, part in parts.items()},
        tiers={name: tiers(part) for name, part in parts.items()},
        differs=differs,
        differences=tuple(found),
        notes=tuple(dict.fromkeys(notes)),
        counts=SourceCounts.of_runs(path for side in sides for path in side.runs.paths),
    )


class _Pair:
    """The first side against one other side."""

    def __init__(self, name: str, first: pd.DataFrame, other: pd.DataFrame, level: float) -> None:
        self.name, self.first, self.other, self.level = name, first, other, level
        self.tasks = _shared_tasks(name, first, other)
        self.scales = {task: CompareScale.of(task, *self._of(task)) for task in self.tasks}
        keys = [set(_cells(side)) for side in (first, other)]
        shared = keys[0] & keys[1]
        self.twins, self.without_twin = len(shared), len(keys[0] ^ keys[1])
        self.paired = self.twins >= ENOUGH_TWINS * min(map(len, keys))
        self.one_seed = len({key[0] for side in keys for key in side}) == 1
        self.unit = "passes through the tasks" if self.one_seed else "seeds"
        self.models = sorted(_players(first) & _players(other))

    def differences(self) -> Iterator[FigureDifference]:
        for task in self.tasks:
            sides, scale = self._of(task), self.scales[task]
            for figure in OF_EPISODES:
                yield from self._difference(scale, "", figure, *sides)
            for model_id, _ in self.models:
                own = [side[side["model_id"] == model_id] for side in sides]
                for figure in OF_MODELS:
                    yield from self._difference(scale, model_id, figure, *own)

    def _of(self, task: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Both sides' rows of a task."""
        return self.first[self.first["task_id"] == task], self.other[self.other["task_id"] == task]

    def _difference(
        self, scale: CompareScale, model_id: str, figure: ComparedFigure, first: pd.DataFrame, other: pd.DataFrame
    ) -> Iterator[FigureDifference]:
        columns = scale.columns(figure)
        if columns is None:
            return
        values = [_values(side, figure, columns) for side in (first, other)]
        if self.paired:
            shared = values[0].index.intersection(values[1].index)
            values = [side.loc[shared] for side in values]
        if any(side.empty for side in values):
            return
        interval, units = self._paired(*values) if self.paired else self._unpaired(*values)
        means = float(values[0].mean()), float(values[1].mean())
        verdict = self._verdict(interval, units)
        facts = (self.name, scale.task, model_id, figure)
        yield FigureDifference(*facts, *means, interval, self.paired, verdict, scale.unit(figure))

    def _paired(self, first: pd.Series[float], other: pd.Series[float]) -> tuple[Interval, tuple[int, int]]:
        interval = self._interval(first - other)
        return interval, (interval.n, 0)

    def _unpaired(self, first: pd.Series[float], other: pd.Series[float]) -> tuple[Interval, tuple[int, int]]:
        a, b = self._interval(first), self._interval(other)
        return difference(a, b), (a.n, b.n)

    def _interval(self, values: pd.Series[float]) -> Interval:
        """The mean of `values` with its interval over seeds, or over passes where there is one seed."""
        units = values.groupby(level="pass" if self.one_seed else "seed").agg(["sum", "count"])
        sums = units.to_numpy(dtype=np.float64)
        return cluster_interval(ratio, sums, level=self.level, unit=self.unit)

    def _verdict(self, interval: Interval, units: tuple[int, int]) -> ComparisonVerdict:
        ways = 2.0 ** units[0] if self.paired else math.comb(sum(units), units[0])
        if 2 / ways > 1 - self.level + 1e-12:
            return ComparisonVerdict.TOO_FEW_PAIRS if self.paired else ComparisonVerdict.TOO_FEW_RUNS
        if not interval.excludes(0.0):
            return ComparisonVerdict.NOT_SHOWN
        return ComparisonVerdict.HIGHER if interval.value > 0 else ComparisonVerdict.LOWER

    def notes(self) -> Iterator[str]:
        for scale in self.scales.values():
            yield from scale.notes(self.name)
        if self.paired:
            yield (
                f"{self.name}: {self.twins} pairs of episodes of the same seed, task and pass; "
                f"intervals over {self.unit}"
            )
            if self.without_twin:
                yield f"{self.name}: {self.without_twin} episodes have no twin on the other side and are left out"
        else:
            yield (
                f"{self.name}: UNPAIRED, as {self.twins} episodes have a twin with the same seed, task and pass; "
                f"the sides are compared as independent samples, intervals over {self.unit}"
            )
        others = (_players(self.first) | _players(self.other)) - set(self.models)
        if others:
            names = ", ".join(sorted({model_id for model_id, _ in others}))
            yield f"{self.name}: these models are not on both sides, so they are not compared one by one: {names}"


def _cells(side: pd.DataFrame) -> Iterator[tuple[int, str, str, int]]:
    yield from side[TWIN].drop_duplicates().itertuples(index=False, name=None)


def _players(side: pd.DataFrame) -> set[tuple[str, str]]:
    return set(side[["model_id", "model_name"]].itertuples(index=False, name=None))


def _values(side: pd.DataFrame, figure: ComparedFigure, per: Sequence[str]) -> pd.Series[float]:
    """The figure, divided by the columns `per`, per seed, task and pass: the mean over models, and over such runs."""
    figures = side.assign(figure=side[figure.value] / side[list(per)].prod(axis=1))
    by_run: pd.Series[float] = figures.groupby([*TWIN, "run"])["figure"].mean().dropna()
    found = by_run.groupby(level=TWIN).mean()
    return found.round(_DIGITS) if per else found


def _shared_tasks(name: str, first: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    games = [dict(side[["task_id", "task_type"]].itertuples(index=False, name=None)) for side in (first, other)]
    shared = [task for task in games[0] if task in games[1]]
    for task in shared:
        if games[0][task] != games[1][task]:
            raise SocietyError(f"{name}: the task {task} is another game: {games[0][task]} against {games[1][task]}")
    if not shared:
        tasks = " against ".join(", ".join(each) for each in games)
        raise SocietyError(f"{name}: no task in common: {tasks}")
    return shared


def _notes(
    whole: pd.DataFrame,
    used: pd.DataFrame,
    parts: Mapping[str, pd.DataFrame],
    differs: Mapping[str, tuple[str, ...]],
    alike: Sequence[str],
) -> Iterator[str]:
    """What a reader must know so as not to misread a figure."""
    if len({tiers(part) for part in parts.values()}) > 1 or len(tiers(used)) > 1:
        by_side = "; ".join(f"{name}: {', '.join(tiers(part))}" for name, part in parts.items())
        yield f"MIXED TIERS: {by_side}; a difference may be due to the tier alone"
    if Tier.SIMULATED.value in tiers(used):
        yield "SIMULATED replies follow a policy of the role and the mode: the same after every message"
    if bool(used["synthetic"].any()):
        yield "SYNTHETIC episodes count too: a formula over words, not play"
    elif bool(whole["synthetic"].any()):
        yield "synthetic episodes are left out"
    people = int((whole["tier"] == Tier.HUMAN.value).sum())
    if people:
        yield f"{people} rows of a person are left out; welfare, efficiency and Gini still include what the person did"
    for name, part in parts.items():
        if part.groupby(TWIN)["run"].nunique().max() > 1:
            yield f"{name}: several runs have the same seed; their episodes are averaged first"
    if alike:
        yield f"settings that vary on all sides alike, and are the same in twins: {', '.join(alike)}"
    if len(differs) > 1:
        yield f"the sides differ in several settings, so no difference is due to one alone: {', '.join(differs)}"
    elif not differs and len(parts) > 1:
        yield "the runs differ in no setting but the seed"
    yield "no verdict is adjusted for the others: at 95%, one in twenty is wrong where nothing differs"
