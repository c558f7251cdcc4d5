"""`society study population`: focal players among background players. Heavy imports are inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.problems import member_of
from simulation.cli.console import progress_bar, show_study, shown_interval, text_table
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    JobsOption,
    JsonOption,
    LevelOption,
    MixTiersOption,
    OutOption,
    PairsOption,
    RequireOption,
    ScenarioOrFolder,
    ScenarioSeedOption,
    SetOption,
    TierOption,
    planned,
    settings_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.plan import Plan
    from simulation.studies.population.report import PopulationReport
    from simulation.studies.population.tables import Declaration


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    example = "society study population commons --focal ada --background free_rider --tier simulated --episodes 20"
    app.command(epilog=f"Example: `{example}`")(population)


def population(
    scenario: ScenarioOrFolder,
    focal: Annotated[list[str] | None, typer.Option(help="Model id to measure; may be given more than once.")] = None,
    background: Annotated[
        list[str] | None, typer.Option(help="Policy, or other model id, to play with; one population each.")
    ] = None,
    population: Annotated[list[str] | None, typer.Option(help="resident, visitor; by default both.")] = None,
    tier: TierOption = None,
    require: RequireOption = None,
    seed: ScenarioSeedOption = None,
    episodes: PairsOption = None,
    endpoint: EndpointsOption = None,
    out: OutOption = RUNS,
    set_: SetOption = None,
    jobs: JobsOption = None,
    level: LevelOption = 0.95,
    mix_tiers: MixTiersOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure what focal models earn among background players: per-capita return with its interval.

    In a resident population all players but one are focal; in a visitor population one player is focal. The last line
    is the folder of the runs.
    """
    from simulation.runs import run_set
    from simulation.studies.population.report import COMMAND, REPORT, read_populations
    from simulation.studies.population.tables import Declaration, Population

    if Path(scenario).is_dir():
        folder = run_set.play(Path(scenario), COMMAND, at_once=jobs)
    else:
        settings = settings_of(tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoint, pairs=set_)
        plan = planned(scenario, settings)
        kinds = tuple(member_of(Population, each, "--population") for each in population or ()) or tuple(Population)
        folder = _play(plan, Declaration(tuple(focal or ()), tuple(background or ()), kinds), out, jobs)
    report = read_populations(folder, level=level, mix_tiers=mix_tiers)
    show_study(folder, REPORT, json_, lambda: report.banner, lambda: [returns_table(report, level)])


def _play(plan: Plan, declared: Declaration, out: Path, jobs: int | None) -> Path:
    from simulation.studies.population.report import play_populations
    from simulation.studies.population.tables import population_plans

    runs = len(population_plans(plan, declared))
    with progress_bar(runs * plan.scenario.episodes * len(plan.scenario.tasks)) as progress:
        return play_populations(plan, declared, out=out, on_event=progress, at_once=jobs)


def returns_table(report: PopulationReport, level: float) -> Table:
    """One row per return."""
    heads = ("population", "focal", "background", "task", "part", "model", "players")
    shown = f"return [{level:.0%} interval]"
    rows = (
        (
            *(each.population.value, each.focal, each.background, each.task_id, each.part.value, each.model),
            *(str(each.players), shown_interval(each.interval), str(each.interval.n)),
        )
        for each in report.returns
    )
    return text_table(
        "",
        (*heads, shown, "episodes"),
        rows,
        right=(shown, "episodes"),
    )
