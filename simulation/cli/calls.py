"""`society study calls`: how the calls of a run went. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import as_json, load_several, print_result, shown_interval, text_table
from simulation.cli.options import JsonOption, RunsArgument
from simulation.studies.calls import By

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.metrics.calls import Percentiles
    from simulation.studies.calls import CallGroup, CallReport


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study calls runs/team_battle-* --by endpoint`")(calls)


def calls(
    runs: RunsArgument,
    by: Annotated[By, typer.Option(help="The groups within each tier.")] = By.TIER,
    json_: JsonOption = False,
) -> None:
    """Print how the calls of runs went: success, latency, tokens, prefix cache and fallbacks, per tier; run by run."""
    from simulation.studies.calls import report_calls

    for run in load_several(runs):
        report = report_calls(run, by)
        if json_:
            typer.echo(as_json(report))
        else:
            print_result(report.banner, [_calls_table(report)])


def _calls_table(report: CallReport) -> Table:
    named = report.by is not By.TIER
    heads = ("tier", *((report.by.value,) if named else ()), "ok", "failed", "success", "latency s", "queue s")
    rows = ((group.tier, *((group.name or "(no server)",) if named else ()), *_cells(group)) for group in report.groups)
    return text_table(
        "",
        (*heads, "tokens/s a call", "tokens/s in all", "prefix hits", "moves", "fallbacks", "faults", "errors"),
        rows,
        notes=_notes(report),
    )


def _cells(group: CallGroup) -> tuple[str, ...]:
    rate, wall, hits = group.success_rate, group.wall_tokens_per_second, group.prefix_cache_hit_rate
    return (
        str(group.statuses["ok"]),
        str(group.statuses["failed"]),
        shown_interval(rate, 1, style="%") if rate else "-",
        _spread(group.latency),
        _spread(group.queue_time),
        _spread(group.tokens_per_second),
        f"{wall:.1f}" if wall is not None else "-",
        f"{hits:.1%}" if hits is not None else "-",
        str(group.moves),
        _listed(group.fallbacks),
        _listed(group.faults),
        _listed(group.failures),
    )


def _notes(report: CallReport) -> list[str]:
    left_out = {status: sum(group.statuses[status] for group in report.groups) for status in ("cancelled", "cached")}
    return [
        "latency, queue and tokens/s a call: p50 / p90 / p99; success with its 95% interval over episodes",
        f"tokens/s in all: over {report.wall_seconds:.1f} s, the duration of all timed episodes",
        *(f"{count} {status} attempts are in no figure" for status, count in left_out.items() if count),
    ]


def _spread(found: Percentiles | None) -> str:
    return " / ".join(f"{value:.3g}" for value in (found.p50, found.p90, found.p99)) if found else "-"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "-"
