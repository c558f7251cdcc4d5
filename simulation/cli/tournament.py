"""`society study tournament`: who works with whom. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.problems import UsageError, member_of
from agents.strategy import TrainingMode
from simulation.cli.console import show_study, shown_interval, text_table
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    JobsOption,
    JsonOption,
    LevelOption,
    MixTiersOption,
    ModeOption,
    OutOption,
    RequireOption,
    RosterOrFolder,
    SeedOption,
    SetOption,
    StepsOption,
    TierOption,
    jobs_or_default,
    settings_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.scenario import Scenario
    from simulation.studies.tournament.results import TournamentResult


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study tournament first_contact --game prisoners_dilemma --tier simulated`")(
        tournament
    )


def tournament(
    roster: RosterOrFolder,
    game: Annotated[str | None, typer.Option(help="The game: see `society ls games`.")] = None,
    mode: ModeOption = TrainingMode.COMPETITIVE,
    form: Annotated[
        str | None, typer.Option("--format", help="pairs, or teams; by default teams in a team battle, else pairs.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes of each pair or composition.")] = 10,
    stand_in: Annotated[str | None, typer.Option(help="Teams: the policy that plays for an absent member.")] = None,
    orders: Annotated[int, typer.Option(min=2, help="Teams of more than 8: random orders of members.")] = 20,
    steps: StepsOption = 5,
    set_: SetOption = None,
    tier: TierOption = None,
    require: RequireOption = None,
    seed: SeedOption = 0,
    endpoint: EndpointsOption = None,
    jobs: JobsOption = None,
    level: LevelOption = 0.95,
    mix_tiers: MixTiersOption = False,
    out: OutOption = RUNS,
    json_: JsonOption = False,
) -> None:
    """Play a game with every pair of a roster's models, or with every composition of its teams.

    Pairs: matrix of payoffs, standings, ratings, alpha-rank, synergy. Teams: what each composition earns and each
    member's Shapley value. The last line is the folder; the same command with the folder finishes an interrupted
    tournament.
    """
    if Path(roster).is_dir():
        folder = Path(roster)
    elif game is None:
        raise UsageError("--game is missing: see society ls games")
    else:
        from simulation.studies.tournament.tournament import scenario_of

        settings = settings_of(tier=tier, require=require, seed=seed, endpoints=endpoint, pairs=set_)
        limits = {"episodes": episodes, "stand_in": stand_in, "orders": orders}
        folder = _new(scenario_of(game, mode, roster, settings, steps=steps), roster, form, out, limits)
    _finish(folder, jobs_or_default(jobs), level, mix_tiers, json_)


def _finish(folder: Path, jobs: int, level: float, mix_tiers: bool, as_json: bool) -> None:
    from simulation.cli.console import stderr
    from simulation.monitor.progress import counted
    from simulation.studies.tournament.play import play_tournament
    from simulation.studies.tournament.results import REPORT

    with counted("match", stderr()) as watch:
        result = play_tournament(folder, jobs=jobs, level=level, mix_tiers=mix_tiers, watch=watch)
    show_study(folder, REPORT, as_json, lambda: result.banner, lambda: result_tables(result))


def _new(scenario: Scenario, roster: str, form: str | None, out: Path, limits: Mapping[str, Any]) -> Path:
    from agents.roster import Roster
    from simulation.studies.tournament.matchups import Format
    from simulation.studies.tournament.tournament import Tournament, new_tournament

    usual = Format.TEAMS if scenario.mode is TrainingMode.TEAM_BATTLE else Format.PAIRS
    chosen = member_of(Format, form, "--format") if form else usual
    return new_tournament(Tournament(scenario=scenario, roster=Roster.load(roster), form=chosen, **limits), out)


# -- tables -------------------------------------------------------------------------------------------------

Row = Mapping[Hashable, Any]


def result_tables(result: TournamentResult) -> list[Table]:
    """The tables of a tournament for the terminal."""
    from simulation.studies.tournament.matchups import Format

    if result.tournament.form is Format.PAIRS:
        return [_matrix(result), _standings(result), _synergies(result)]
    return [_compositions(result), _contributions(result), _ratings(result), _synergies(result)]


def _interval(row: Row) -> str:
    from simulation.metrics.registry import LEVEL, Interval

    return shown_interval(Interval(row["low"], row["value"], row["high"], LEVEL, row["n"]))


def _title(result: TournamentResult, what: str) -> str:
    report = result.report
    return f"{report['game']}, {report['mode']}: {what} [{report['level']:.0%} interval]"


def _matrix(result: TournamentResult) -> Table:
    names = list(dict.fromkeys(result.matrix["row"]))
    cells = {(row["row"], row["column"]): _interval(row) for row in result.matrix.to_dict("records")}
    rows = ((name, *(cells[name, other] for other in names)) for name in names)
    return text_table(_title(result, "payoff of row against column"), ("", *names), rows)


def _standings(result: TournamentResult) -> Table:
    """Alpha-rank is shown where play is not transitive; the stored table always has it."""
    cyclic = result.report["transitive"] is False
    skills = {row["model_id"]: _interval(row) for row in result.ratings.to_dict("records")}

    def cells(row: Row) -> tuple[str, ...]:
        mass = (f"{row['mass']:.2f}",) if cyclic else ()
        return (row["model_id"], _interval(row), skills.get(row["model_id"], ""), *mass, str(row["n"]))

    heads = ("model", "mean payoff", "openskill", *(("alpha-rank",) if cyclic else ()), "episodes")
    return text_table("standings", heads, map(cells, result.standings.to_dict("records")))


def _of_worth(result: TournamentResult, table: str) -> Iterator[Row]:
    """The rows of the worth that the report is about."""
    rows = getattr(result, table).to_dict("records")
    yield from (row for row in rows if row["worth"] == result.report["worth"])


def _synergies(result: TournamentResult) -> Table:
    rows = ((row["team"], row["first"], row["second"], _interval(row)) for row in _of_worth(result, "synergies"))
    heads = ("team", "first", "second", "together beyond apart")
    return text_table(f"synergy ({result.report['worth']})", heads, rows)


def _compositions(result: TournamentResult) -> Table:
    worth = result.report["worth"]
    rows = (
        (row["team"], (row["members"] or "(stand-ins only)").replace("+", " "), _interval(row), str(row["n"]))
        for row in _of_worth(result, "compositions")
    )
    title = _title(result, f"{worth} of each composition")
    return text_table(title, ("team", "members", worth, "episodes"), rows)


def _contributions(result: TournamentResult) -> Table:
    worth = result.report["worth"]
    rows = (
        (row["team"], row["model_id"], _interval(row), f"{row['error']:.2f}")
        for row in _of_worth(result, "contributions")
    )
    title = f"what each member adds to its team's {worth} (Shapley value)"
    return text_table(title, ("team", "model", worth, "error of random orders"), rows)


def _ratings(result: TournamentResult) -> Table:
    rows = ((row["model_id"], _interval(row), str(row["n"])) for row in result.ratings.to_dict("records"))
    return text_table("openskill", ("model", "rating", "episodes"), rows)
