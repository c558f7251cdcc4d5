"""What the report shows of any study: its banner, and its table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from simulation.metrics.banner import SourceCounts, StudyBanner, is_loud

if TYPE_CHECKING:
    from simulation.metrics.banner import StudyResult

STORED = {"effect.json": "effects", "population.json": "returns", "exploit.json": "gains"}
"""The file that keeps a study's result -> the key of its rows."""
Cell = str | int | float | bool | None


@dataclass(frozen=True)
class StudySection:
    """A study on the page.

    Attributes:
        banner: As `shown_banner` returns it.
        heads: The columns.
        rows: One value per column.
    """

    banner: Mapping[str, Any]
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def shown_banner(banner: StudyBanner) -> dict[str, Any]:
    """Return a banner for the browser: its title, and each line with whether it is a warning."""
    return {"title": banner.title, "lines": [(line, is_loud(line)) for line in banner.lines()]}


def section_of(result: StudyResult) -> StudySection:
    """Return a study's result as a section."""
    table = result.table()
    rows = [[_plain(value) for value in row] for row in table.astype(object).to_numpy().tolist()]
    return StudySection(shown_banner(result.banner), [str(name) for name in table.columns], rows)


def stored_section(file: Path) -> StudySection:
    """Return the section of a study whose result is in a JSON file; `STORED` names the files."""
    found = orjson.loads(file.read_bytes())
    notes = tuple(found.get("notes") or found.get("lines", ())[1:])
    title = found.get("title") or (found.get("lines") or [file.parent.name])[0]
    banner = StudyBanner(title, SourceCounts.from_json(found.get("counts")), notes, found.get("tiers", ()))
    rows = [dict(_flat(row)) for row in found[STORED[file.name]]]
    heads = list(dict.fromkeys(name for row in rows for name in row))
    return StudySection(shown_banner(banner), heads, [[row.get(name) for name in heads] for row in rows])


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """Yield a row's cells: an interval as its value, ends and n, and no lists."""
    for name, value in row.items():
        if name == "interval" and value is not None:
            yield from ((key, value[key]) for key in ("value", "low", "high", "n"))
        elif not isinstance(value, (list, dict)):
            yield name, value


def _plain(value: Any) -> Cell:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return None if math.isnan(number) else number
