"""`society metrics`: aggregate scores of runs. Heavy imports stand inside the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simulation.cli.console import shown_interval, wide_console


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command("metrics", epilog="Example: `society metrics runs/team_battle-*`")(metrics_)


def metrics_(
    runs: Annotated[list[Path], typer.Argument(help="Run directories of the same tasks; seeds may differ.")],
    mix_tiers: Annotated[bool, typer.Option(help="Average over tiers.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """IQM, mean and optimality gap of accuracy, efficiency and cooperation, with intervals clustered by seed."""
    from dataclasses import asdict

    from simulation.metrics.scores import ScoreFigure, score_matrix, summarise
    from simulation.tables.run import load_run

    loaded = [load_run(path) for path in runs]
    found = {figure.value: summarise(score_matrix(loaded, figure, mix_tiers=mix_tiers)) for figure in ScoreFigure}
    if json_:
        plain = {figure: {name: asdict(each) for name, each in row.items()} for figure, row in found.items()}
        typer.echo(json.dumps(plain))
        return
    from rich.table import Table

    table = Table(title="all models together, synthetic episodes left out", title_justify="left")
    for head in ("figure", *next(iter(found.values()))):
        table.add_column(head)
    for figure, row in found.items():
        table.add_row(figure, *(shown_interval(each) for each in row.values()))
    wide_console().print(table)
