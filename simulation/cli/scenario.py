"""`society new scenario`. Heavy imports are inside the command."""

from __future__ import annotations

from typing import Annotated

import typer

from simulation.cli.options import NewFileArgument, SchemaOption


def add_to(app: typer.Typer) -> None:
    """Add this command to the app of `society new`."""
    example = "society new scenario mine.yaml --mode team_battle --game commons --roster two_teams"
    app.command("scenario", epilog=f"Example: `{example}`")(scenario_new)


def scenario_new(
    path: NewFileArgument,
    mode: Annotated[str, typer.Option(help="cooperative, competitive, team_battle or mixed.")] = "cooperative",
    game: Annotated[str, typer.Option(help="The game: see `society ls games`.")] = "public_goods",
    roster: Annotated[str, typer.Option(help="A shipped roster's name, or a file beside this one.")] = "first_contact",
    language: Annotated[str, typer.Option(help="en or zh: of prompts, messages and the file's comments.")] = "en",
    schema: SchemaOption = False,
) -> None:
    """Write a scenario that validates and runs, with the game's parameters as comments."""
    from agents.language import Language
    from agents.strategy import TrainingMode
    from simulation.authoring.files import refuse_existing, refuse_unknown, write_checked, write_schema
    from simulation.authoring.roster_draft import schema_place
    from simulation.authoring.scenario_draft import scenario_text
    from simulation.authoring.schema import scenario_schema
    from simulation.games import task_types
    from simulation.scenario import FOLDER

    refuse_existing(path)
    refuse_unknown("--mode", mode, [each.value for each in TrainingMode])
    refuse_unknown("--game", game, list(task_types()))
    refuse_unknown("--language", language, [each.value for each in Language])
    name = "scenario.schema.json"
    place = name if schema else schema_place(path, FOLDER / name)
    spoken = Language(language)
    write_checked(path, scenario_text(path.stem, mode, game, roster, spoken, spoken, str(path), place))
    if schema:
        write_schema(path.with_name(name), scenario_schema())
    typer.echo(str(path))
