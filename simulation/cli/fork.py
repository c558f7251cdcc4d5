"""`society fork`: a twin of a run from a step on. Heavy imports are inside the command."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.yaml_file import display
from simulation.cli.console import progress_bar
from simulation.cli.options import (
    RUNS,
    HappensOption,
    OutOption,
    RunArgument,
    SetOption,
    TierOption,
    mapping_of,
    refuse_missing_runs,
    settings_of,
)


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society fork runs --at 2.1 --set communication.treatment=silenced`")(fork)


def fork(
    run: RunArgument,
    at: Annotated[
        str, typer.Option(help="The twin's own first step: EPISODE.STEP, both counted from 1.", show_default=False)
    ],
    set_: SetOption = None,
    event: HappensOption = None,
    tier: TierOption = None,
    out: OutOption = RUNS,
) -> None:
    """Play a run's twin: the same up to a step, other from there on.

    Everything before the step is repeated from the recorded replies; from there on models are asked, with the same
    seeds. `society study compare RUN TWIN` pairs the two. The last line printed is the twin's run directory.
    """
    from simulation.runs.fork import fork_run
    from simulation.tables.listing import newest_run
    from simulation.tables.run import read_manifest

    refuse_missing_runs(run)
    settings = settings_of(tier=tier, pairs=set_)
    happens = None if event is None else mapping_of(event, "--event")
    original = newest_run(run)
    scenario = read_manifest(original)["scenario"]
    with progress_bar(scenario["episodes"] * len(scenario["tasks"])) as progress:
        twin = fork_run(original, at=at, set=settings.set, event=happens, tier=tier, out=out, on_event=progress)
    typer.echo(f"the twin is the run up to {at} and has its own replies from there on")
    typer.echo(display(twin.path))
