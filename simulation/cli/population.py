"""`society population`: focal players among background players. Heavy imports stand inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.console import progress_bar, wide_console
from simulation.cli.options import named_choice, planned

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.population.report import PopulationReport


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    example = "society population commons --focal ada --background free_rider --tier simulated --episodes 20"
    app.command(epilog=f"Example: `{example}`")(population)


def population(
    scenario: Annotated[
        str, typer.Argument(help="A scenario file, a shipped one's name, or the folder of a set that was cut off.")
    ],
    focal: Annotated[
        list[str] | None, typer.Option(help="Model id to be measured; may be given more than once.")
    ] = None,
    background: Annotated[
        list[str] | None, typer.Option(help="Policy, or other model id, to be met; one population each.")
    ] = None,
    population: Annotated[list[str] | None, typer.Option(help="resident, visitor; both unless named.")] = None,
    tier: Annotated[str | None, typer.Option(help="The only tier to use; or auto: all of them.")] = None,
    require: Annotated[str | None, typer.Option(help="Stop rather than fall below this tier.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")] = None,
    episodes: Annotated[int | None, typer.Option(min=2, help="Episodes, in place of the scenario's.")] = None,
    endpoint: Annotated[list[str] | None, typer.Option(help="vLLM server URL; may be given more than once.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs"),
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, dotted keys.")] = None,
    at_once: Annotated[int | None, typer.Option(min=1, help="Runs side by side; 4 where servers answer.")] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")] = 0.95,
    mix_tiers: Annotated[bool, typer.Option(help="Average over tiers.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """What focal models earn among background players: per-capita return with its interval.

    A resident population is focal but for one visitor; a visitor is one focal model among background players.
    The last line is the folder of the runs.
    """
    from simulation.runs import run_set
    from simulation.studies.population.report import COMMAND, REPORT, play_populations, read_populations
    from simulation.studies.population.tables import Declaration, Population, population_plans

    if Path(scenario).is_dir():
        folder = run_set.play(Path(scenario), COMMAND, at_once=at_once)
    else:
        plan = planned(
            scenario, set_, tier=tier, require=require, seed=seed, episodes=episodes, endpoints=tuple(endpoint or ())
        )
        kinds = tuple(named_choice(Population, each, "--population") for each in population or ()) or tuple(Population)
        declared = Declaration(tuple(focal or ()), tuple(background or ()), kinds)
        runs = len(population_plans(plan, declared))
        with progress_bar(runs * plan.scenario.episodes * len(plan.scenario.tasks)) as progress:
            folder = play_populations(plan, declared, out=out, on_event=progress, at_once=at_once)
    report = read_populations(folder, level=level, mix_tiers=mix_tiers)
    if json_:
        typer.echo((folder / REPORT).read_text(encoding="utf-8"), nl=False)
        return
    wide_console().print(returns_table(report, level))
    typer.echo(str(folder))


def returns_table(report: PopulationReport, level: float) -> Table:
    """One row per return, with what must be said about the figures beneath."""
    from rich.markup import escape
    from rich.table import Table

    title = f"{report.scenario}: per-capita return, mean payoff of an episode per player (seed {report.seed})"
    table = Table(title=escape(title), title_justify="left", caption_justify="left")
    table.caption = escape("\n".join([f"replies: {', '.join(report.tiers)}", *report.notes]))
    for head in ("population", "focal", "background", "task", "part", "model", "players"):
        table.add_column(head)
    table.add_column(escape(f"return [{level:.0%} interval]"), justify="right")
    table.add_column("episodes", justify="right")
    for each in report.returns:
        found = each.interval
        where = (each.population.value, each.focal, each.background, each.task_id)
        cells = (*where, each.part.value, each.model, str(each.players))
        shown = f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        table.add_row(*map(escape, (*cells, shown, str(found.n))))
    return table
