"""`society study experiment`: the same society under several conditions. Heavy imports are inside the command."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import show_study, shown_interval, stderr, text_table
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    JobsOption,
    JsonOption,
    LevelOption,
    MixTiersOption,
    OutOption,
    RequireOption,
    ScenarioSeedOption,
    SeedsOption,
    SetOption,
    TierOption,
    jobs_or_default,
    settings_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.experiment.report import ArmFigure, ExperimentReport


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study experiment polarisation --tier embedded`")(experiment)


def experiment(
    experiment: Annotated[
        str,
        typer.Argument(
            help="An experiment's file or shipped name, or the folder of an interrupted one.", metavar="NAME"
        ),
    ],
    seeds: SeedsOption = None,
    tier: TierOption = None,
    require: RequireOption = None,
    seed: ScenarioSeedOption = None,
    endpoint: EndpointsOption = None,
    set_: SetOption = None,
    jobs: JobsOption = None,
    level: LevelOption = 0.95,
    mix_tiers: MixTiersOption = False,
    out: OutOption = RUNS,
    json_: JsonOption = False,
) -> None:
    """Play a scenario under several conditions with the same seeds, and measure what differs.

    Prints each measure's mean in each condition (arm), and arm - control with interval and p-value. The last line is
    the folder; the same command with the folder finishes an interrupted experiment.
    """
    from simulation.monitor.progress import counted
    from simulation.studies.experiment.play import begin_experiment, play_experiment
    from simulation.studies.experiment.report import REPORT, read_experiment_report

    folder = Path(experiment)
    if not folder.is_dir():
        settings = settings_of(tier=tier, require=require, seed=seed, endpoints=endpoint, pairs=set_)
        folder = begin_experiment(experiment, settings, seeds=seeds, out=out)
    with counted("run", stderr()) as watch:
        play_experiment(folder, jobs=jobs_or_default(jobs), watch=watch)
    report = read_experiment_report(folder, level=level, mix_tiers=mix_tiers)
    show_study(folder, REPORT, json_, lambda: report.banner, lambda: [experiment_table(report)])


def experiment_table(report: ExperimentReport) -> Table:
    """One row per measure and arm."""
    level = f"{report.figures[0].interval.level:.0%}" if report.figures else ""
    numbers = (f"mean [{level} interval]", "seeds", "arm - control", "p", "p (Holm)")
    return text_table("", ("measure", "arm", *numbers), map(_row, report.figures), right=numbers)


def _row(figure: ArmFigure) -> tuple[str, ...]:
    own = (figure.measure, figure.arm, shown_interval(figure.interval), str(figure.interval.n))
    if figure.difference is None:
        return (*own, "control", "", "")
    difference = shown_interval(figure.difference, 3, "+")
    return (*own, difference, *("" if isnan(each) else f"{each:.4f}" for each in (figure.p_value, figure.p_adjusted)))
