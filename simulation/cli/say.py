"""`society say`: something happens in a run that another process plays. Heavy imports are inside the command."""

from __future__ import annotations

from typing import Annotated

import typer

from simulation.cli.options import HappensOption, RunArgument, WhoOption, mapping_of, refuse_missing_runs


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog='Example: `society say runs "The lake is closed tomorrow." --who ada`')(say)


def say(
    run: RunArgument,
    text: Annotated[str | None, typer.Argument(help="A text that the models see in the next step.")] = None,
    who: WhoOption = None,
    event: HappensOption = None,
) -> None:
    """Let something happen in a run that is being played.

    It happens before the next step: a text, or with `--event` a post, votes or a mute. The run's log and its table
    `events` have it, so the run can be replayed. Prints the id under which the table has it.
    """
    from simulation.runs.live import say as say_into
    from simulation.tables.listing import newest_run

    refuse_missing_runs(run)
    if (text is None) == (event is None):
        raise typer.BadParameter("give a text, or --event")
    happens = {"show": text} if text is not None else mapping_of(str(event), "--event")
    typer.echo(say_into(newest_run(run), {**happens, **({"to": who} if who else {})}))
