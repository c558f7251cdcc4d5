"""`society serve model`: the embedded tier's model. Heavy imports are inside the commands."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.problems import SocietyError

model_app = typer.Typer(help="The small model of the embedded tier, which needs no server.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the app of `society serve`."""
    app.add_typer(model_app, name="model")


@model_app.command("pull")
def model_pull(force: Annotated[bool, typer.Option(help="Fetch it again.")] = False) -> None:
    """Fetch and convert the embedded model into the cache."""
    from agents.inference.embedded.model_store import pull

    typer.echo(str(pull(lambda line: typer.echo(line, err=True), force=force)))


@model_app.command("path")
def model_path_() -> None:
    """Print the path of the embedded model."""
    from agents.inference.embedded.model_store import model_path

    path = model_path()
    if path is None:
        raise SocietyError("the embedded model is not in the cache; fetch it with: society serve model pull")
    typer.echo(str(path))
