"""`society new roster|scenario|schema`. Heavy imports are inside the commands."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from simulation.cli import roster, scenario
from simulation.cli.options import fail_usage

new_app = typer.Typer(help="Write a roster, a scenario, or a schema for editors.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    roster.add_to(new_app)
    scenario.add_to(new_app)
    new_app.command(epilog="Example: `society new schema scenario > scenario.schema.json`")(schema)
    app.add_typer(new_app, name="new")


def schema(kind: Annotated[str, typer.Argument(help="scenario or roster")]) -> None:
    """Print the JSON Schema of a file, for editors."""
    from agents.roster import roster_schema
    from simulation.authoring.schema import scenario_schema

    makers = {"scenario": scenario_schema, "roster": roster_schema}
    if kind not in makers:
        fail_usage(f"schema: {kind!r} is neither scenario nor roster")
    typer.echo(json.dumps(makers[kind](), indent=2, ensure_ascii=False))
