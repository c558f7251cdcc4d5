"""`society study verify`: known answers. Heavy imports are inside the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import as_json, text_table, wide_console
from simulation.cli.options import JsonOption

if TYPE_CHECKING:
    from rich.status import Status
    from rich.table import Table

    from simulation.studies.verify.verify import CaseResult


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study verify --json`")(verify)


def verify(
    learning: Annotated[
        bool, typer.Option("--learning", help="Train tables and compare with the known answers of learning, instead.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every figure, not only what is off.")] = False,
    json_: JsonOption = False,
) -> None:
    """Play cases with a known outcome and compare; prints what is off, and exits with 1 where anything is.

    All players are scripted, or with --learning tables that learn: it needs no server and no model.
    """
    if learning:
        _verify_learning(verbose, json_)
        return
    from time import monotonic

    from simulation.studies.verify.cases import all_cases
    from simulation.studies.verify.verify import verify as play

    cases, started = all_cases(), monotonic()
    with _status() as status:
        findings = play(cases, lambda case: status.update(case.name))
    off = [finding for finding in findings if not finding.passed]
    summary = f"{len(cases)} cases, {len(findings)} figures, {len(off)} off; {monotonic() - started:.0f} s"
    if json_:
        typer.echo(json.dumps({"summary": summary, "findings": [_plain(finding) for finding in findings]}))
    else:
        shown = findings if verbose else off
        if shown:
            wide_console().print(findings_table(shown))
        typer.echo(summary)
    if off:
        raise typer.Exit(1)


def _verify_learning(verbose: bool, json_: bool) -> None:
    from time import monotonic

    from simulation.studies.verify.learning_cases import LEARNING_CASES

    started = monotonic()
    with _status() as status:
        found = []
        for case in LEARNING_CASES:
            status.update(case.__name__.strip("_").replace("_", " "))
            found += list(case())
    off = [figure for figure in found if not figure.passed]
    summary = f"{len(found)} figures, {len(off)} off; {monotonic() - started:.0f} s"
    if json_:
        typer.echo(
            as_json({"summary": summary, "findings": [{**asdict(each), "passed": each.passed} for each in found]})
        )
    else:
        rows = [
            (
                "ok" if each.passed else "OFF",
                each.case,
                each.figure,
                f"{each.low:.6g} to {each.high:.6g}",
                f"{each.got:.6g}",
                each.source,
            )
            for each in (found if verbose else off)
        ]
        heads = ("", "case", "figure", "expected", "got", "source")
        if rows:
            wide_console().print(text_table("known answers of learning, by tables", heads, rows))
        typer.echo(summary)
    if off:
        raise typer.Exit(1)


def _status() -> Status:
    from rich.console import Console

    return Console(stderr=True).status("loading")


def findings_table(findings: Sequence[CaseResult]) -> Table:
    """One row per figure: expected, got, tolerance, source; the case is named in its first row."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="known answers, played by the runner in OASIS", title_justify="left")
    for head in ("", "case", "figure", "expected", "got", "tolerance", "source"):
        table.add_column(head)
    last = ""
    for each in findings:
        sign = "[green]ok[/]" if each.passed else "[bold red]OFF[/]"
        named, source = ("", "") if each.case == last else (each.case, each.source)
        figures = (each.figure.value, _text(each.expected), _text(each.got), f"{each.tolerance:.2g}")
        table.add_row(sign, *map(escape, (named, *figures, source)))
        last = each.case
    return table


def _text(values: Sequence[float]) -> str:
    """The values, six digits each; equal values once."""
    shown = [f"{value:.6g}" for value in values]
    return f"{shown[0]} each" if len(shown) > 1 and len(set(shown)) == 1 else " ".join(shown)


def _plain(finding: CaseResult) -> dict[str, object]:
    return {
        "case": finding.case,
        "figure": finding.figure.value,
        "expected": finding.expected,
        "got": finding.got,
        "tolerance": finding.tolerance,
        "source": finding.source,
        "passed": finding.passed,
    }
