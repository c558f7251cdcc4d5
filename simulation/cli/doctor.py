"""`society doctor`. Heavy imports are inside the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import wide_console
from simulation.cli.options import RUNS, EndpointsOption, JsonOption

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.doctor import Diagnosis, DoctorCase

_STYLES = {"ok": "green", "note": "cyan", "warning": "yellow", "failure": "bold red"}


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(
        epilog="Example: `society doctor team_battle`, or `society doctor --endpoint http://localhost:8001/v1`"
    )(doctor)


def doctor(
    scenario: Annotated[str | None, typer.Argument(help="The scenario to run: a file or a shipped name.")] = None,
    endpoint: EndpointsOption = None,
    out: Annotated[Path, typer.Option(help="The folder that run directories will be in.")] = RUNS,
    json_: JsonOption = False,
) -> None:
    """Check packages, servers, tiers and disk; print fixes.

    The exit code is 1 if a finding is a failure. With warnings a run is possible.
    """
    from agents.inference.loops import run_blocking
    from simulation.doctor import Verdict, examine

    case = _case(scenario, tuple(endpoint or ()), out)
    found = run_blocking(lambda: examine(case))
    if json_:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False))
    else:
        wide_console(160).print(findings_table(found))
        typer.echo(summary(found))
    if any(each.verdict is Verdict.FAILURE for each in found):
        raise typer.Exit(1)


def _case(scenario: str | None, endpoints: tuple[str, ...], out: Path) -> DoctorCase:
    from simulation.doctor import DoctorCase
    from simulation.plan import Settings, make_plan

    if scenario is None:
        return DoctorCase.at(endpoints, out) if endpoints else DoctorCase(out=out)
    return DoctorCase.of(make_plan(scenario, Settings(endpoints=endpoints)), out)


def findings_table(found: Sequence[Diagnosis]) -> Table:
    """Return a table with one row per finding, and its fix below it."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    area = ""
    for each in found:
        verdict = f"[{_STYLES[each.verdict.value]}]{each.verdict.value}[/]"
        table.add_row(each.area if each.area != area else "", verdict, escape(each.subject), escape(each.finding))
        if each.remedy:
            table.add_row("", "", "", escape(f"-> {each.remedy}"))
        area = each.area
    return table


def summary(found: Sequence[Diagnosis]) -> str:
    """Return a sentence with the numbers of failures and warnings."""
    from simulation.doctor import Verdict

    counts = {verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict}
    if counts[Verdict.FAILURE]:
        return f"{counts[Verdict.FAILURE]} failure(s) and {counts[Verdict.WARNING]} warning(s): fix the failures first"
    if counts[Verdict.WARNING]:
        return f"no failure, {counts[Verdict.WARNING]} warning(s): a run is possible"
    return "no problems found"
