"""`society metrics`: aggregate scores of runs. Heavy imports stand inside the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from simulation.cli.console import shown_interval, text_table, wide_console
from simulation.cli.options import JsonOption, MixTiersOption


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command("metrics", epilog="Example: `society metrics runs/team_battle-*`")(metrics_)


def metrics_(
    runs: Annotated[list[Path], typer.Argument(help="Run directories of the same tasks; seeds may differ.")],
    mix_tiers: MixTiersOption = False,
    json_: JsonOption = False,
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
    heads = ("figure", *next(iter(found.values())))
    rows = ((figure, *(shown_interval(each, 3, "+") for each in row.values())) for figure, row in found.items())
    wide_console().print(text_table("all models together, synthetic episodes left out", heads, rows))
