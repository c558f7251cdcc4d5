"""`society study quality`: how good messages and decisions are. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from agents.inference.provenance import Tier
from agents.problems import UsageError
from simulation.cli.console import as_json, load_several, print_result, shown_interval, text_table
from simulation.cli.options import JsonOption, RunsArgument

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.quality.report import QualityReport, QualityRow


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    app.command(epilog="Example: `society study quality runs/team_battle-* --scorer consistency`")(quality)


def quality(
    runs: RunsArgument,
    scorer: Annotated[
        list[str] | None,
        typer.Option(help="keyword, parse, consistency or judge (needs --judge); by default all."),
    ] = None,
    judge: Annotated[str | None, typer.Option(help="The adapter (or base model) that grades messages.")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="The judge's server; may be given more than once.")] = None,
    tier: Annotated[Tier, typer.Option(help="The judge's tier: camel, http or embedded.")] = Tier.HTTP,
    json_: JsonOption = False,
) -> None:
    """Score messages and decisions of runs, run by run, by each scorer, per tier, role and model.

    A judge's grades are stored in the run directory, so each is paid for once.
    """
    from agents.inference.client import DEFAULT_URL
    from simulation.quality.report import report_quality
    from simulation.quality.scorer import Judge

    if judge is None and endpoint:
        raise UsageError("--endpoint is the judge's server; name the judge: --judge ADAPTER")
    grader = Judge(judge, tuple(endpoint or (DEFAULT_URL,)), tier) if judge else None
    for run in load_several(runs):
        report = report_quality(run, scorer or (), grader)
        if json_:
            typer.echo(as_json(report))
        else:
            print_result(report.banner, _quality_tables(report))


def _quality_tables(report: QualityReport) -> Iterator[Table]:
    """One table per scorer: a row per tier, role and model, a column per measure."""
    for scorer, rows in groupby(report.rows, key=lambda row: row.scorer):
        lines: dict[tuple[str, ...], dict[str, QualityRow]] = {}
        for row in rows:
            lines.setdefault((row.tier, row.judge, f"{row.scope.value} {row.name}".strip()), {})[row.measure] = row
        shown = next(iter(next(iter(lines.values())).values()))
        mark = "SYNTHETIC: " if shown.synthetic else "SECONDARY: " if shown.secondary else ""
        measures = dict.fromkeys(measure for line in lines.values() for measure in line)
        title = f"{scorer}: {mark}{report.meanings[scorer]}"
        heads = ("tier", *(("judge",) if shown.judge else ()), "whose", *measures)
        cells = (
            (tier, *((judge,) if shown.judge else ()), whose, *(_mean(line.get(measure)) for measure in measures))
            for (tier, judge, whose), line in lines.items()
        )
        yield text_table(title, heads, cells, notes=[f"{name}: {report.meanings[name]}" for name in measures])


def _mean(row: QualityRow | None) -> str:
    if row is None:
        return "-"
    return f"{shown_interval(row.interval, 3)} of {row.texts}"
