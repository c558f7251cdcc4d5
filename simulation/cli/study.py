"""`society study`: the questions that many runs answer."""

from __future__ import annotations

import typer

from simulation.cli import (
    calls,
    compare,
    effect,
    experiment,
    exploit,
    fingerprint,
    metrics,
    population,
    quality,
    replay,
    tournament,
    verify,
)

study_app = typer.Typer(
    help="Ask what models do: " + "compare, metrics, effect, fingerprint, ...",
    epilog="Example: `society study compare 'runs/cooperative-*' 'runs/competitive-*'`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
PANELS = {
    "Of runs that are there": (compare, metrics, quality, calls, replay),
    "Plays runs of its own": (effect, experiment, fingerprint, population, tournament, exploit, verify),
}


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    for panel, modules in PANELS.items():
        for module in modules:
            module.add_to(study_app)
            study_app.registered_commands[-1].rich_help_panel = panel
    app.add_typer(study_app, name="study")
