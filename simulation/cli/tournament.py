"""`society tournament`: who works with whom. Heavy imports stand inside the command."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.strategy import TrainingMode
from simulation.cli.console import wide_console

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.scenario import Scenario
    from simulation.studies.tournament.results import TournamentResult

MOST_JOBS = 8


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society tournament first_contact --game prisoners_dilemma --tier simulated`")(
        tournament
    )


def tournament(
    roster: Annotated[
        str, typer.Argument(help="A roster file, a shipped one's name, or the folder of a tournament that was cut off.")
    ],
    game: Annotated[str | None, typer.Option(help="The game: see `society games`.")] = None,
    mode: Annotated[TrainingMode, typer.Option(help="Who hears whom and who shares.")] = TrainingMode.COMPETITIVE,
    form: Annotated[
        str | None, typer.Option("--format", help="pairs, or teams; teams in a team battle unless named.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="The most episodes of each pairing or composition.")] = 10,
    stop_width: Annotated[
        float | None, typer.Option(help="Stop a pairing (or team) early when its intervals' half-width is below this.")
    ] = None,
    stand_in: Annotated[str | None, typer.Option(help="Teams: the policy in an absent member's seat.")] = None,
    orders: Annotated[int, typer.Option(min=2, help="Teams of more than 8: drawn orders of members.")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="Steps of an episode.")] = 5,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value of the scenario, dotted keys.")] = None,
    tier: Annotated[str | None, typer.Option(help="The only tier to use; or auto: all of them.")] = None,
    require: Annotated[str | None, typer.Option(help="Stop rather than fall below this tier.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all matches.")] = 0,
    endpoint: Annotated[list[str] | None, typer.Option(help="vLLM server URL; may be given more than once.")] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Matches at a time; as many as processors, 8 at most. With a server give more."),
    ] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")] = 0.95,
    mix_tiers: Annotated[bool, typer.Option(help="Average over tiers.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the tournament.")] = Path("runs"),
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Every pair of a roster's models plays a game, or every composition of its teams; who earns what with whom.

    Pairs: matrix of payoffs, standings, ratings, alpha-rank, synergy. Teams: what each composition earns and each
    member's Shapley value. The last line is the folder; the same command with it goes on where it stopped.
    """
    from agents.problems import UsageError
    from simulation.cli.console import stderr
    from simulation.monitor.progress import counted
    from simulation.studies.tournament.play import play_tournament
    from simulation.studies.tournament.results import REPORT

    if Path(roster).is_dir():
        folder = Path(roster)
    elif game is None:
        raise UsageError("--game is missing: see society games")
    else:
        from simulation.cli.options import run_options

        options = run_options(tier=tier, require=require, seed=seed, endpoints=tuple(endpoint or ()))
        limits = {"episodes": episodes, "stop_width": stop_width, "stand_in": stand_in, "orders": orders}
        folder = _new(options.applied(_scenario(game, mode, steps, roster, set_)), roster, form, out, limits)
    with counted("match", stderr()) as watch:
        count = jobs or min(MOST_JOBS, os.cpu_count() or 1)
        result = play_tournament(folder, jobs=count, level=level, mix_tiers=mix_tiers, watch=watch)
    if json_:
        typer.echo((folder / REPORT).read_text(encoding="utf-8"), nl=False)
        return
    for table in result_tables(result):
        wide_console().print(table)
    for note in (f"replies: {', '.join(result.report['tiers'])}", *result.report["notes"]):
        typer.echo(note)
    typer.echo(str(folder))


def _scenario(game: str, mode: TrainingMode, steps: int, roster: str, pairs: list[str] | None) -> Scenario:
    """The scenario all matches share."""
    from agents.yaml_file import YamlFile
    from simulation.cli.options import overrides_of
    from simulation.scenario import checked_scenario

    raw = {
        "name": f"tournament-{game}",
        "mode": mode.value,
        "roster": roster,
        "tasks": [{"task_id": game, "task_type": game, "max_steps": steps, "required_models": 1}],
    }
    file = YamlFile("the tournament", raw, {(): 0})
    for key, text in overrides_of(pairs or []).items():
        file = file.override(key, text)
    return checked_scenario(file.data, "the tournament")


def _new(scenario: Scenario, roster: str, form: str | None, out: Path, limits: Mapping[str, Any]) -> Path:
    from agents.problems import UsageError
    from agents.roster import Roster
    from simulation.cli.options import named_choice
    from simulation.studies.tournament.matchups import Format
    from simulation.studies.tournament.tournament import Tournament, new_tournament

    if limits["stop_width"] is not None and limits["stop_width"] <= 0:
        raise UsageError(f"--stop-width {limits['stop_width']:g}: must be above 0")
    usual = Format.TEAMS if scenario.mode is TrainingMode.TEAM_BATTLE else Format.PAIRS
    chosen = named_choice(Format, form, "--format") if form else usual
    return new_tournament(Tournament(scenario=scenario, roster=Roster.load(roster), form=chosen, **limits), out)


# -- tables -------------------------------------------------------------------------------------------------


def result_tables(result: TournamentResult) -> list[Table]:
    """What a tournament shows, as tables for people."""
    from simulation.studies.tournament.matchups import Format

    pairs = result.tournament.form is Format.PAIRS
    return [_matrix(result), _standings(result), _synergies(result)] if pairs else _team_tables(result)


def _table(title: str, *heads: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for head in heads:
        table.add_column(escape(head))
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.markup import escape

    table.add_row(*map(escape, cells))


def _interval(row: Mapping[Hashable, Any], names: tuple[str, str, str] = ("value", "low", "high")) -> str:
    value, low, high = (row[name] for name in names)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _matrix(result: TournamentResult) -> Table:
    report = result.report
    names = list(dict.fromkeys(result.matrix["row"]))
    title = f"{report['game']}, {report['mode']}: payoff of row against column [{report['level']:.0%} interval]"
    table = _table(title, "", *names)
    cells = {(row["row"], row["column"]): _interval(row) for row in result.matrix.to_dict("records")}
    for name in names:
        _add(table, name, *(cells[name, other] for other in names))
    return table


def _standings(result: TournamentResult) -> Table:
    """Alpha-rank is shown where play is not transitive; it is in the tables always."""
    cyclic = not result.report["transitive"]
    heads = ("model", "mean payoff", "openskill", *(("alpha-rank",) if cyclic else ()), "episodes")
    table = _table("standings", *heads)
    skills = {row["model_id"]: _interval(row) for row in result.ratings.to_dict("records")}
    for row in result.standings.to_dict("records"):
        mass = (_interval(row, ("mass", "mass_low", "mass_high")),) if cyclic else ()
        _add(table, row["model_id"], _interval(row), skills.get(row["model_id"], ""), *mass, str(row["n"]))
    return table


def _synergies(result: TournamentResult) -> Table:
    """The first-named worth where there are two."""
    worth = result.report["worth"]
    table = _table(f"synergy ({worth})", "team", "first", "second", "together beyond apart")
    for row in result.synergies.to_dict("records"):
        if row["worth"] == worth:
            _add(table, row["team"], row["first"], row["second"], _interval(row))
    return table


def _team_tables(result: TournamentResult) -> list[Table]:
    report, worth = result.report, result.report["worth"]
    title = f"{report['game']}, {report['mode']}: {worth} of each composition [{report['level']:.0%} interval]"
    made = _table(title, "team", "members", worth, "episodes")
    for row in result.compositions.to_dict("records"):
        if row["worth"] == worth:
            members = row["members"] or "(stand-ins only)"
            _add(made, row["team"], members.replace("+", " "), _interval(row), str(row["n"]))
    shares = _table(
        f"what each member adds to its team's {worth} (Shapley value)", "team", "model", worth, "error of drawn orders"
    )
    for row in result.contributions.to_dict("records"):
        if row["worth"] == worth:
            _add(shares, row["team"], row["model_id"], _interval(row), f"{row['error']:.2f}")
    skills = _table("openskill", "model", "rating", "episodes")
    for row in result.ratings.to_dict("records"):
        _add(skills, row["model_id"], _interval(row), str(row["n"]))
    return [made, shares, skills, _synergies(result)]
