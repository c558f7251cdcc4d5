"""`society report`. Heavy imports are inside the command."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated

import typer

from simulation.cli.options import RunsArgument


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society report runs/team_battle-* --out team_battle.html --open`")(report)


def report(
    paths: RunsArgument,
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    prompts: Annotated[
        bool, typer.Option(help="Show every prompt, computed from the events and checked; needs no server.")
    ] = True,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write one HTML file about runs: outcomes, messages, prompts.

    It shows the course, who talked to whom, calls and metrics too; fingerprints, a tournament and a training are shown
    as a whole. The file needs no network. The last line is its path.
    """
    from simulation.cli.console import stderr
    from simulation.report import write_report

    console = stderr()
    written = write_report(
        _expanded(paths), out, prompts=prompts, log=lambda line: console.print(line, highlight=False)
    )
    if open_:
        typer.launch(str(written))
    typer.echo(str(written))


def _expanded(paths: list[str]) -> list[str]:
    """Return the paths with patterns replaced by what they match; a pattern without a match stays, and is an error."""
    return [found for path in paths for found in (sorted(glob.glob(path)) or [path])]
