"""`society study replay`. Heavy imports are inside the command."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from agents.yaml_file import display
from simulation.cli.console import progress_bar, stderr
from simulation.cli.options import RUNS, JsonOption, OutOption


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study replay runs/team_battle-20260101-120000-abc123`")(replay)


def replay(
    path: Annotated[Path, typer.Argument(help="The directory of a finished run, or the folder of a training.")],
    out: OutOption = RUNS,
    json_: JsonOption = False,
) -> None:
    """Play a run again from the replies it recorded, with no server, and compare it event by event.

    The first difference ends it with exit code 1. The last line printed is the replay's own run directory. For a
    training, every version is made again and compared; nothing is kept.
    """
    from simulation.runs.replay import replay_run
    from simulation.tables.run import TRAINING, read_manifest

    if (path / TRAINING).is_file():
        _replay_training(path, json_)
        return
    scenario = read_manifest(path)["scenario"]
    with progress_bar(scenario["episodes"] * len(scenario["tasks"])) as progress:
        done = replay_run(path, out=out, on_event=progress)
    if json_:
        told = {"log_identical": done.log_identical, "tables_identical": done.tables_identical}
        typer.echo(json.dumps({"run": display(done.run.path), "events": done.events, **told}))
        return
    files = {"the event log": done.log_identical, "all tables": done.tables_identical}
    same = " and ".join(name for name, identical in files.items() if identical)
    typer.echo(f"{done.events} events came out as they were recorded" + (f"; the same bytes: {same}" if same else ""))
    if not done.log_identical:
        typer.echo("the run was interrupted and resumed, which its own log tells and the replay's does not")
    typer.echo(display(done.run.path))


def _replay_training(path: Path, json_: bool) -> None:
    from simulation.training.replay import replay_training

    with stderr().status("making the first versions again") as status:
        done = replay_training(path, on_update=lambda line: status.update(f"update {line.update} came out again"))
    if json_:
        typer.echo(json.dumps({"training": display(path), **asdict(done)}))
        return
    left = f"; left out by a fork: update {', '.join(map(str, done.skipped))}" if done.skipped else ""
    typer.echo(
        f"{done.updates} updates came out as they were recorded, {done.versions} versions with the same digests{left}"
    )
    typer.echo(display(path))
