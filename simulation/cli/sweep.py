"""`society sweep`: every combination of a scenario's swept values. Heavy imports are inside the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.problems import member_of
from simulation.cli.console import FIGURE_HEADS, print_result, stderr, text_table
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    EngineOption,
    EpisodesOption,
    JobsOption,
    JsonOption,
    OutOption,
    RequireOption,
    SetOption,
    TierOption,
    jobs_or_default,
    settings_of,
)
from simulation.cli.run import refuse_no_decision_in

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.plan import Settings
    from simulation.studies.sweep import SweepReport
    from simulation.tables.runs import Runs


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society sweep first_contact --tier simulated --set 'sweep={seed: [1..4]}'`")(sweep)


def sweep(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file with a `sweep`, or the folder of an interrupted sweep.")
    ],
    engine: EngineOption = "local",
    jobs: JobsOption = None,
    out: OutOption = RUNS,
    tier: TierOption = None,
    require: RequireOption = None,
    episodes: EpisodesOption = None,
    endpoint: EndpointsOption = None,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Play every combination of a scenario's `sweep`, several at a time; one run each, in one folder.

    The last line is the folder: `load_runs` loads it, `society compare FOLDER --by KEY` compares the swept values, and
    the same command with the folder finishes an interrupted sweep.
    """
    from simulation.monitor.progress import counted
    from simulation.runs.sweep import play_sweep
    from simulation.runs.workers import Engine

    chosen = member_of(Engine, engine, "--engine")
    folder = Path(scenario)
    if not folder.is_dir():
        settings = settings_of(tier=tier, require=require, episodes=episodes, endpoints=endpoint, pairs=set_)
        folder = _new(scenario, settings, out)
    with counted("run", stderr()) as watch:
        runs = play_sweep(folder, engine=chosen, jobs=jobs_or_default(jobs), watch=watch)
    _show(folder, runs, json_)
    refuse_no_decision_in(runs)


def _new(scenario: str, settings: Settings, out: Path) -> Path:
    from simulation.runs.sweep import begin_sweep, sweep_arms

    arms = sweep_arms(scenario, settings)
    return begin_sweep(next(iter(arms.values())).plan.scenario.name, arms, out)


def _show(folder: Path, runs: Runs, as_json: bool) -> None:
    from simulation.studies.sweep import measure_sweep

    report = measure_sweep(runs)
    if as_json:
        means = json.loads(report.table().to_json(orient="records"))
        typer.echo(json.dumps({"sweep": str(folder), "runs": len(runs), "means": means, "notes": report.notes}))
        return
    print_result(report.banner, [sweep_table(report)], [str(folder)])


def sweep_table(report: SweepReport) -> Table:
    """One row per combination, task and tier."""
    from simulation.studies.sweep import SWEPT_FIGURES

    means = report.table()
    names = [str(column).removeprefix("sweep.") for column in means]
    heads = [FIGURE_HEADS.get(name, name) for name in names]
    rows = (
        [f"{value:.3f}" if name in SWEPT_FIGURES else str(value) for name, value in row.items()]
        for row in means.to_dict("records")
    )
    return text_table("", heads, rows, right=heads[len(report.keys) :])
