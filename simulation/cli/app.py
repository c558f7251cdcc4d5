"""The `society` command. Heavy imports are inside the commands: `--help` must be quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agents.problems import InvalidFileError, Problem, SocietyError, UsageError
from agents.sanitize import sanitize_lines
from simulation.cli import (
    ask,
    demo,
    doctor,
    export,
    fork,
    logs,
    ls,
    new,
    play,
    report,
    run,
    say,
    serve,
    show,
    study,
    train,
    view,
    watch,
)
from simulation.cli.console import complain, stderr
from simulation.cli.output import safe_output
from simulation.cli.panels import arrange
from simulation.cli.renamed import RenamingGroup

USAGE_ERROR = 2

app = typer.Typer(
    name="society",
    cls=RenamingGroup,
    help="A multi-agent social simulation on CAMEL-AI's OASIS in which every agent is a LoRA model.",
    epilog="Start with: society run first_contact. Shell completion: society --install-completion",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for commands in (
    demo,
    doctor,
    new,
    run,
    play,
    say,
    fork,
    train,
    ls,
    show,
    view,
    watch,
    ask,
    report,
    export,
    study,
    serve,
):
    commands.add_to(app)


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="One line per call on stderr.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log every call as JSON on stderr.")] = False,
) -> None:
    logs.set_up(stderr(), verbose=verbose, as_json=log_json)


@app.command(epilog="Example: `society validate scenarios/*.yaml agents/rosters/*.yaml`")
def validate(
    files: Annotated[list[str], typer.Argument(help="Scenario or roster files, or shipped names.")],
) -> None:
    """Check files without running them; print every mistake.

    A line says, too, what is legal but may surprise.
    """
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
