"""A fingerprint as a picture (SVG) and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from simulation.studies.fingerprint.cells import CELLS, Cell
from simulation.studies.heat_table import (
    COOPERATE,
    DEFECT,
    EMPTY,
    FAINT,
    STRONG,
    HeatRow,
    HeatTable,
    Tile,
    between,
    draw,
)

if TYPE_CHECKING:
    from simulation.studies.fingerprint.report import CellFigure, FingerprintReport


def picture(report: FingerprintReport) -> str:
    """The report as SVG: one row per cell, one column per subject."""
    banner = report.banner
    dots = ["dot: differs from the base model, adjusted (Holm) for all comparisons"] if report.base else []
    table = HeatTable(
        title=banner.title,
        above=banner.lines(),
        label=f"behavioural fingerprints of {', '.join(report.subjects)}",
        columns=[_short(name) for name in report.subjects],
        rows=list(_rows(report)),
        below=dots,
        names=250,
        tile=128,
    )
    return draw(table)


def _rows(report: FingerprintReport) -> Iterator[HeatRow]:
    for group, cells in groupby(CELLS, key=lambda cell: cell.group):
        for place, cell in enumerate(cells):
            tiles = [_tile(report, name, cell) for name in report.subjects]
            yield HeatRow(cell.title, tiles, heading="" if place else group)


def _tile(report: FingerprintReport, subject: str, cell: Cell) -> Tile:
    figure = report.figure(subject, cell.name)
    if figure.interval is None:
        return Tile(figure.why, EMPTY)
    value, text = figure.interval.value, texts(figure)
    colour = between(DEFECT, COOPERATE, value) if cell.level else between(FAINT, STRONG, abs(value) / cell.reach)
    return Tile(text[0], colour, text[1], marked=differs_from_base(report, subject, cell.name))


def differs_from_base(report: FingerprintReport, subject: str, cell: str) -> bool:
    """Whether a cell separates the subject from its base model."""
    found = report.from_base(subject, cell)
    return found is not None and found.separates


def texts(figure: CellFigure) -> tuple[str, str]:
    """A figure's value and its interval as texts; the reason in place of a missing value, no text for no interval."""
    if figure.interval is None:
        return figure.why, ""
    if not figure.interval.known:
        return f"{round(figure.interval.value, 2) + 0.0:.2f}", ""
    low, value, high = (
        round(each, 2) + 0.0 for each in (figure.interval.low, figure.interval.value, figure.interval.high)
    )
    return f"{value:.2f}", f"[{low:.2f}, {high:.2f}]"


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:17]}…"


def markdown(report: FingerprintReport) -> str:
    """The figures, and the cells that separate each pair, as Markdown tables; a star: differs from the base model."""
    heads = ["cell", *report.subjects]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for cell in CELLS:
        cells = (_shown(report, name, cell.name) for name in report.subjects)
        lines.append(_line([f"{cell.group.split(' (')[0]}: {cell.title}", *cells]))
    lines += ["", _line(["pair", "cells that separate them"]), _line(["---", "---"])]
    lines += [_line([f"{each.first}, {each.second}", ", ".join(each.cells) or "none"]) for each in report.pairs]
    return "\n".join(lines)


def _shown(report: FingerprintReport, subject: str, cell: str) -> str:
    star = "\\*" if differs_from_base(report, subject, cell) else ""
    return " ".join(part for part in texts(report.figure(subject, cell)) if part) + star


def _line(parts: Sequence[str]) -> str:
    return f"| {' | '.join(parts).replace('P(cooperate |', 'P(cooperate given')} |"
