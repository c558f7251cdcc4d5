"""`society report`. Heavy imports are inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society report runs/team_battle-* --out team_battle.html --open`")(report)


def report(
    paths: Annotated[
        list[Path], typer.Argument(help="Run directories, or folders of runs, of fingerprints or of a tournament.")
    ],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    prompts: Annotated[
        bool, typer.Option(help="Show every prompt, computed from the events and checked; needs no server.")
    ] = True,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write one HTML file that shows runs: outcomes, course, who talked to whom, every message, calls, metrics.

    The file needs no network. The last line is its path.
    """
    from simulation.cli.console import stderr
    from simulation.report import write_report

    console = stderr()
    written = write_report(paths, out, prompts=prompts, log=lambda line: console.print(line, highlight=False))
    if open_:
        typer.launch(str(written))
    typer.echo(str(written))
