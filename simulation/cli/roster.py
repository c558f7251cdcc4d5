"""`society roster new|show`. Heavy imports stand inside the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.problems import SocietyError, UsageError
from simulation.cli.options import KeyOption, RosterArgument, SchemaOption

if TYPE_CHECKING:
    from simulation.authoring.roster_draft import Found

roster_app = typer.Typer(help="Rosters: who takes part.", no_args_is_help=True)

MOST_TEAMS = 26


def add_to(app: typer.Typer) -> None:
    """Add these commands to the `society` app."""
    app.add_typer(roster_app, name="roster")


@dataclass(frozen=True)
class _Wishes:
    """What a new roster is made of."""

    path: Path | None
    base: str | None = None
    adapters: tuple[str, ...] = ()
    endpoint: str | None = None
    folder: Path | None = None
    teams: int | None = None

    @property
    def are_none(self) -> bool:
        return self == _Wishes(self.path)


@roster_app.command("new", epilog="Example: `society roster new mine.yaml --folder my_adapters --teams 2`")
def roster_new(
    path: Annotated[Path | None, typer.Argument(help="The file to write.")] = None,
    base: Annotated[str | None, typer.Option(help="The base model the adapters belong to.")] = None,
    adapter: Annotated[list[str] | None, typer.Option(help="An adapter's name; one row each.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Take the adapters this server lists; ends in /v1.")] = None,
    api_key_env: KeyOption = None,
    folder: Annotated[Path | None, typer.Option(help="Take the PEFT adapters in this folder.")] = None,
    teams: Annotated[
        int | None, typer.Option(min=0, max=MOST_TEAMS, help="Number of teams to deal the rows to.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="Roles, dealt to the rows in turn.")] = None,
    language: Annotated[str, typer.Option(help="en or zh: the language of the comments.")] = "en",
    schema: SchemaOption = False,
) -> None:
    """Write a commented roster with one row per adapter.

    On a terminal, with nothing but a file given, it asks. Adapters come from a server, a folder or those that ship;
    each is checked against the base model, and its rank and alpha go into its row.
    """
    wishes = _Wishes(path, base, tuple(adapter or ()), endpoint, folder, teams)
    _check(wishes, language, role or ())
    if wishes.are_none and at_terminal():
        wishes = _ask(wishes)
    if wishes.path is None:
        raise UsageError("name the file to write: society roster new mine.yaml")
    _write(wishes, wishes.path, _found(wishes, api_key_env), role or (), language, schema)


def _check(wishes: _Wishes, language: str, roles: Sequence[str]) -> None:
    from agents.language import Language
    from agents.role import ModelRole
    from simulation.authoring.files import refuse_existing, refuse_unknown

    refuse_unknown("--language", language, [each.value for each in Language])
    for role in roles:
        refuse_unknown("--role", role, [known.value for known in ModelRole])
    if wishes.path is not None:
        refuse_existing(wishes.path)
    if wishes.base == "" or "" in wishes.adapters:
        raise UsageError("--base and --adapter cannot be empty")


def _write(wishes: _Wishes, path: Path, found: Found, roles: Sequence[str], language: str, schema: bool) -> None:
    from agents.language import Language
    from agents.role import ModelRole
    from agents.roster import Roster, roster_schema
    from simulation.authoring.files import write_checked, write_schema
    from simulation.authoring.roster_draft import SCHEMA, base_of, deal, fitting, roster_text, schema_place

    model = base_of(found, wishes.base)
    found = fitting(found, model)
    for note in found.notes:
        typer.echo(note, err=True)
    rows = deal(found.candidates, wishes.teams or 0, [ModelRole(role) for role in roles])
    place = SCHEMA if schema else schema_place(path)
    roster = Roster(name=path.stem, base_model=model, models=rows)
    write_checked(path, roster_text(roster, path, Language(language), place))
    if schema:
        write_schema(path.with_name(SCHEMA), roster_schema())
    typer.echo(str(path))


def _found(wishes: _Wishes, api_key_env: str | None) -> Found:
    """The adapters asked for, looked up where they are said to be; names alone are believed."""
    from agents.inference.embedded.model_sources import MODEL_ID
    from agents.web_address import is_web_address
    from simulation.authoring.roster_draft import (
        Candidate,
        Found,
        chosen,
        found_at_endpoint,
        found_in_folder,
        found_in_the_package,
    )

    if wishes.endpoint is not None and wishes.folder is not None:
        raise UsageError("--endpoint and --folder: give one of the two")
    if wishes.endpoint is not None:
        if not is_web_address(wishes.endpoint):
            raise UsageError(f"--endpoint {wishes.endpoint}: not an http(s) URL (example: http://localhost:8001/v1)")
        return chosen(found_at_endpoint(wishes.endpoint.rstrip("/"), api_key_env), wishes.adapters)
    if wishes.folder is not None:
        return chosen(found_in_folder(wishes.folder), wishes.adapters)
    shipped = found_in_the_package()
    plain = MODEL_ID.rsplit("/", 1)[-1]
    base = wishes.base or plain
    if not wishes.adapters:
        return replace(shipped, candidates=(*shipped.candidates, Candidate(plain, plain)))
    known = {each.name: each for each in shipped.candidates if each.fits(base)}
    return Found(tuple(known.get(name, Candidate(name)) for name in wishes.adapters), (base,))


def at_terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(wishes: _Wishes) -> _Wishes:
    """What a new roster is made of, asked for one by one. Nothing is written before the last answer."""
    from simulation.authoring.files import refuse_existing
    from simulation.authoring.roster_draft import base_of, fitting

    path = wishes.path or Path(typer.prompt("File to write", default="roster.yaml"))
    refuse_existing(path)
    place, found = _ask_where(replace(wishes, path=path))
    for each in found.candidates:
        rank = f", rank {each.rank}, alpha {each.alpha:g}" if each.rank and each.alpha else ""
        typer.echo(f"  {each.name} (base {each.base or 'not told'}{rank})")
    bases = {each.base for each in found.candidates if each.base}
    usual = base_of(found, None) if len({name.rsplit("/", 1)[-1].lower() for name in bases}) == 1 else None
    base = typer.prompt("Base model", default=usual)
    names = [each.name for each in fitting(found, base).candidates]
    picked = typer.prompt("Adapters to take, with commas between", default=",".join(names))
    teams = typer.prompt("Teams (0 is none)", default=0, type=int)
    if not 0 <= teams <= MOST_TEAMS:
        raise UsageError(f"teams: {teams} is not between 0 and {MOST_TEAMS}")
    adapters = tuple(name.strip() for name in picked.split(",") if name.strip())
    return replace(place, base=base, adapters=adapters, teams=teams)


def _ask_where(wishes: _Wishes) -> tuple[_Wishes, Found]:
    """Ask where the adapters are until some are found there."""
    while True:
        where = typer.prompt("Adapters: a server's URL, a folder, or shipped", default="shipped").strip()
        place = wishes
        if where.startswith(("http://", "https://")):
            place = replace(wishes, endpoint=where)
        elif where != "shipped":
            place = replace(wishes, folder=Path(where).expanduser())
        try:
            return place, _found(place, None)
        except SocietyError as error:
            typer.echo(str(error), err=True)


@roster_app.command(
    "show", epilog="Example: `society roster show two_teams --scenario team_battle --picture two_teams.svg`"
)
def roster_show(
    name: RosterArgument,
    scenario: Annotated[
        str | None, typer.Option(help="A scenario that tells who hears whom; played by this roster.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="An SVG file to draw it into.")] = None,
) -> None:
    """Draw a roster: who is in which team with which role, and who hears whom."""
    from rich.console import Console

    from agents.roster import Roster
    from simulation.authoring.audiences import hearings
    from simulation.authoring.roster_picture import hearing_tree, team_tree
    from simulation.authoring.roster_picture import picture as draw
    from simulation.plan import Plan

    roster = Roster.load(name)
    told = hearings(Plan(Plan.load(scenario).scenario, roster)) if scenario else ()
    console = Console()
    console.print(team_tree(roster))
    for each in told:
        console.print(hearing_tree(each))
    if picture is not None:
        picture.write_text(draw(roster, told[0] if told else None), encoding="utf-8")
        typer.echo(str(picture))
