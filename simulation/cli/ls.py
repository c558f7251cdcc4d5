"""`society ls`: the runs of a folder, and what ships. Heavy imports are inside the command."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.yaml_file import display
from simulation.cli.console import text_table, wide_console
from simulation.cli.options import RUNS, JsonOption, fail_usage

if TYPE_CHECKING:
    from simulation.tables.listing import ListedRun

SHIPPED = ("scenarios", "rosters", "games", "policies")


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society ls`, or `society ls games`")(ls)


def ls(
    what: Annotated[
        str,
        typer.Argument(metavar="[FOLDER]", help="A folder of runs; or scenarios, rosters, games, policies, shipped."),
    ] = str(RUNS),
    json_: JsonOption = False,
) -> None:
    """List runs, newest first; or what ships: `society ls games`."""
    folder = Path(what)
    if folder.is_dir():
        _list_runs(folder, json_)
    elif what == "games":
        _list_games(json_)
    elif what in (*SHIPPED, "shipped"):
        _list_names(SHIPPED if what == "shipped" else (what,), json_)
    elif what == str(RUNS):
        typer.echo("there is no folder `runs` here: play a scenario with `society run first_contact`", err=True)
    else:
        fail_usage(f"{what}: there is no such folder; of what ships, name one of {', '.join(SHIPPED)}, shipped")


def _list_runs(folder: Path, as_json: bool) -> None:
    from simulation.tables.listing import list_runs

    found = list_runs(folder)
    if as_json:
        for each in found:
            typer.echo(json.dumps({**vars(each), "path": display(each.path)}, ensure_ascii=False))
        return
    heads = ("run", "scenario", "date", "state", "tiers", "mean payoff")
    title = f"{len(found)} in {display(folder)}; open one with: society show RUN"
    wide_console().print(text_table(title, heads, map(_line, found), right=("mean payoff",)))
    for line in _trainings(folder):
        typer.echo(line)


def _trainings(folder: Path) -> Iterator[str]:
    """Yield a line for each training in a folder; they are no runs, but may stand beside them."""
    from simulation.tables.run import TRAINING

    for file in sorted(folder.glob(f"*/{TRAINING}")):
        yield f"a training: {display(file.parent)}; see it with: society train show {display(file.parent)}"


def _line(each: ListedRun) -> Sequence[str]:
    name = display(each.path)
    return (
        name if each.runs == 1 else f"{name} ({each.runs} runs)",
        each.scenario,
        each.started[:16].replace("T", " "),
        each.state,
        ", ".join(each.tiers) or "-",
        "-" if each.payoff is None else f"{each.payoff:.2f}",
    )


def _list_names(kinds: Sequence[str], as_json: bool) -> None:
    from agents.players.policies import POLICIES
    from agents.roster import shipped_rosters
    from simulation.games import task_types
    from simulation.scenario import shipped_scenarios

    names = dict(zip(SHIPPED, (shipped_scenarios(), shipped_rosters(), task_types(), tuple(POLICIES)), strict=True))
    if as_json:
        typer.echo(json.dumps({kind: names[kind] for kind in kinds}))
        return
    for kind in kinds:
        typer.echo("\n".join([f"{kind}:", *(f"  {name}" for name in names[kind])]))


def _list_games(as_json: bool) -> None:
    from simulation.authoring.game_pages import PageSection, game_pages
    from simulation.cli.show_named import plain_page

    pages = list(game_pages())
    if as_json:
        typer.echo(json.dumps([plain_page(page) for page in pages], ensure_ascii=False))
        return
    parts = (PageSection.PLAYERS, PageSection.DECISION, PageSection.MESSAGE)
    rows = ((page.name, *(page.line(part) for part in parts)) for page in pages)
    heads = ("game", "players", "decision", "a message")
    wide_console(260).print(text_table("games; for the page of one: society show NAME", heads, rows))
