"""The `society` command. Heavy imports are inside the commands: `--help` must be quick."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from agents.problems import InvalidFileError, Problem, SocietyError, UsageError
from agents.sanitize import sanitize_lines
from simulation.cli import (
    adapters,
    calls,
    compare,
    demo,
    doctor,
    effect,
    exploit,
    fingerprint,
    games,
    logs,
    metrics,
    play,
    population,
    quality,
    replay,
    report,
    roster,
    run,
    scenario,
    serve,
    show,
    sweep,
    tournament,
    train,
    verify,
    view,
    watch,
)
from simulation.cli.console import complain, stderr
from simulation.cli.options import fail_usage
from simulation.cli.output import safe_output
from simulation.cli.panels import arrange

USAGE_ERROR = 2

app = typer.Typer(
    name="society",
    help="A multi-agent social simulation on CAMEL-AI's OASIS in which every agent is a LoRA model.",
    epilog="Start with: society run first_contact",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
model_app = typer.Typer(help="The embedded tier's small model.", no_args_is_help=True)
app.add_typer(model_app, name="model")
for commands in (
    demo,
    run,
    sweep,
    train,
    replay,
    play,
    doctor,
    view,
    watch,
    show,
    report,
    compare,
    metrics,
    calls,
    quality,
    effect,
    fingerprint,
    exploit,
    population,
    tournament,
    verify,
    games,
    roster,
    scenario,
    serve,
    adapters,
):
    commands.add_to(app)


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="One line per call on stderr.")] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log as JSON on stderr: one object a line, every call among them.")
    ] = False,
) -> None:
    logs.set_up(stderr(), verbose=verbose, as_json=log_json)


@app.command("list")
def list_() -> None:
    """List shipped scenarios, rosters, games and scripted policies."""
    from agents.players.policies import POLICIES
    from agents.roster import shipped_rosters
    from simulation.games import task_types
    from simulation.scenario import shipped_scenarios

    for title, names in (
        ("scenarios", shipped_scenarios()),
        ("rosters", shipped_rosters()),
        ("games", task_types()),
        ("policies", tuple(POLICIES)),
    ):
        typer.echo(f"{title}:")
        for name in names:
            typer.echo(f"  {name}")


@app.command(epilog="Example: `society validate scenarios/*.yaml agents/rosters/*.yaml`")
def validate(
    files: Annotated[list[str], typer.Argument(help="Scenario or roster files, or shipped names.")],
) -> None:
    """Check files without running them, and print every mistake, and a warning for what may surprise."""
    from simulation.authoring.files import check_file

    problems: list[Problem] = []
    for file in files:
        try:
            checked = check_file(file)
            typer.echo(f"ok: {file} ({checked.kind})")
            for warning in checked.warnings:
                typer.echo(sanitize_lines(f"warning: {file}: {warning}"), err=True)
        except InvalidFileError as error:
            problems.extend(error.problems)
    if problems:
        raise InvalidFileError(problems)


@app.command(epilog="Example: `society schema scenario > scenario.schema.json`")
def schema(kind: Annotated[str, typer.Argument(help="scenario or roster")]) -> None:
    """Print the JSON Schema of a file, for editors."""
    from agents.roster import roster_schema
    from simulation.authoring.schema import scenario_schema

    makers = {"scenario": scenario_schema, "roster": roster_schema}
    if kind not in makers:
        fail_usage(f"schema: {kind!r} is neither scenario nor roster")
    typer.echo(json.dumps(makers[kind](), indent=2, ensure_ascii=False))


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
        raise SocietyError("the embedded model is not in the cache; fetch it with: society model pull")
    typer.echo(str(path))


def main() -> None:
    """Run the command: a user's mistake is a message and an exit code, never a traceback."""
    with safe_output():
        _run()


def _run() -> None:
    try:
        app()
    except InvalidFileError as error:
        for problem in error.problems:
            complain(str(problem), "")
        sys.exit(USAGE_ERROR)
    except UsageError as error:
        complain(str(error))
        sys.exit(USAGE_ERROR)
    except (SocietyError, OSError) as error:
        complain(str(error))
        sys.exit(1)
    except Exception as error:
        _explain_own_game(error)
        raise


def _explain_own_game(error: Exception) -> None:
    """End with a message where a user's own game raised an error; -v shows the traceback too."""
    games = sys.modules.get("simulation.games")
    fault = games.fault_in_own_game(error) if games else ""
    if fault:
        logs.logger.info("the game failed", exc_info=error)
        complain(f"{fault}\nmend the file and start again; what was played is kept")
        sys.exit(1)


arrange(app)

if __name__ == "__main__":
    main()
