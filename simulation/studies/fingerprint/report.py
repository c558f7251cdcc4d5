"""The report of behavioural fingerprints: figures, differences, and how they were made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from simulation.metrics.banner import SourceCounts, StudyBanner, StudyResult
from simulation.metrics.registry import Interval
from simulation.metrics.result_table import interval_plot, table_of

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class CellFigure:
    """A cell of one subject. `interval.n` counts episodes with data; with too little data `interval` is None, and `why`
    says what is missing."""

    subject: str
    cell: str
    interval: Interval | None
    why: str = ""


@dataclass(frozen=True)
class CellDifference:
    """`first` - `second` in a cell, with p-values of no difference: plain, and adjusted for the whole report."""

    first: str
    second: str
    cell: str
    interval: Interval
    p_value: float
    p_adjusted: float

    @property
    def separates(self) -> bool:
        """Whether this cell separates the two at the interval's level."""
        return self.interval.excludes(0) and self.p_adjusted <= 1 - self.interval.level


@dataclass(frozen=True)
class Pair:
    """Two subjects and the cells that separate them; empty where none does."""

    first: str
    second: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class FingerprintOrigin:
    """How a report was made; enough to make it again. `weights` has the SHA-256 of each subject's adapter, or says
    where its weights were."""

    roster: str
    seed: int
    episodes: int
    role: str
    language: str
    temperature: float
    versions: Mapping[str, str]
    weights: Mapping[str, str]


@dataclass(frozen=True)
class FingerprintReport(StudyResult):
    """Every cell of every subject, and the differences of every pair.

    Attributes:
        origin: How it was made.
        level: Confidence level of the intervals.
        tiers: The tiers that replies came from.
        subjects: Their names.
        base: The base model among them; empty for none.
        figures: Every cell of every subject.
        differences: Every pair in every cell.
        pairs: Every pair, and the cells that separate it.
        notes: What a reader must know of the figures.
        counts: Where the texts of all runs came from; None in a report of an earlier version.
    """

    origin: FingerprintOrigin
    level: float
    tiers: tuple[str, ...]
    subjects: tuple[str, ...]
    base: str
    figures: tuple[CellFigure, ...]
    differences: tuple[CellDifference, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]
    counts: SourceCounts | None

    @property
    def banner(self) -> StudyBanner:
        """What stands above the table and the picture."""
        origin = self.origin
        probes = f"{origin.episodes} episodes a probe, by which the {self.level:.0%} intervals are clustered"
        title = f"{origin.roster}: behavioural fingerprints (seed {origin.seed})"
        return StudyBanner(title, self.counts, (probes, *self.notes), self.tiers)

    def figure(self, subject: str, cell: str) -> CellFigure:
        """One cell of one subject."""
        return next(each for each in self.figures if (each.subject, each.cell) == (subject, cell))

    def from_base(self, subject: str, cell: str) -> CellDifference | None:
        """A subject's difference from its base model in a cell; None where there is none."""
        key = (subject, self.base, cell)
        return next((each for each in self.differences if (each.first, each.second, each.cell) == key), None)

    def table(self) -> pd.DataFrame:
        """One row per cell and subject: the fields of `CellFigure`, its interval as `value`, `low`, `high` and
        `episodes`, and `differs_from_base`."""
        found = [self.from_base(each.subject, each.cell) for each in self.figures]
        differs = [difference is not None and difference.separates for difference in found]
        return table_of(self.figures, count="episodes").assign(differs_from_base=differs)

    def plot(self) -> Figure:
        """Every cell with its interval, one colour per subject."""
        table = self.table().dropna(subset=["value"])
        return interval_plot(table, "cell", self.banner, color="subject")


def _interval(data: Mapping[str, Any]) -> Interval:
    """An interval as JSON has it: null for an end that is nan."""
    ends = {name: math.nan if data[name] is None else data[name] for name in ("low", "high")}
    return Interval(**{**data, **ends})


def load_report(path: Path) -> FingerprintReport:
    """Read the report in a fingerprint.json."""
    data = orjson.loads(path.read_bytes())
    figures = (
        CellFigure(**{**each, "interval": each["interval"] and _interval(each["interval"])}) for each in data["figures"]
    )
    differences = (CellDifference(**{**each, "interval": _interval(each["interval"])}) for each in data["differences"])
    pairs = (Pair(each["first"], each["second"], tuple(each["cells"])) for each in data["pairs"])
    parts: dict[str, Any] = {
        "origin": FingerprintOrigin(**data["origin"]),
        "figures": tuple(figures),
        "differences": tuple(differences),
        "pairs": tuple(pairs),
        **{name: tuple(data[name]) for name in ("tiers", "subjects", "notes")},
        "counts": SourceCounts.from_json(data.get("counts")),
    }
    return FingerprintReport(**{**data, **parts})
