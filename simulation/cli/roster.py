"""`society new roster`. Heavy imports are inside the command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agents.problems import SocietyError, UsageError
from simulation.cli.options import KeyOption, SchemaOption

if TYPE_CHECKING:
    from agents.adapter_sources import FoundAdapters
    from agents.roster import Roster

Answered = TypeVar("Answered")

MOST_TEAMS = 26


def add_to(app: typer.Typer) -> None:
    """Add this command to the app of `society new`."""
    app.command("roster", epilog="Example: `society new roster mine.yaml --folder my_adapters --teams 2`")(roster_new)


@dataclass(frozen=True)
class _Wanted:
    """What a new roster is made from."""

    path: Path | None
    base: str | None = None
    adapters: tuple[str, ...] = ()
    endpoint: str | None = None
    folder: Path | None = None
    people: Path | None = None
    teams: int | None = None

    @property
    def is_open(self) -> bool:
        """True if no option is given."""
        return self == _Wanted(self.path)


def roster_new(
    path: Annotated[Path | None, typer.Argument(help="The file to write.")] = None,
    base: Annotated[str | None, typer.Option(help="The base model the adapters belong to.")] = None,
    adapter: Annotated[list[str] | None, typer.Option(help="An adapter's name; one row each.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Take the adapters this server lists; ends in /v1.")] = None,
    api_key_env: KeyOption = None,
    folder: Annotated[Path | None, typer.Option(help="Take the PEFT adapters in this folder.")] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", help="Take the people in this CSV or JSON file; OASIS's profile files too."),
    ] = None,
    teams: Annotated[
        int | None, typer.Option(min=0, max=MOST_TEAMS, help="Number of teams; rows are assigned in turn.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="Roles, assigned to the rows in turn.")] = None,
    language: Annotated[str, typer.Option(help="en or zh: the language of the comments.")] = "en",
    schema: SchemaOption = False,
) -> None:
    """Write a roster with comments and one row per adapter, or per person of a table (--from).

    On a terminal, without options, it asks. The adapters are those of a server, of a folder, or the shipped ones. Each
    is checked against the base model, and its rank and alpha go into its row.
    """
    wanted = _Wanted(path, base, tuple(adapter or ()), endpoint, folder, from_, teams)
    _check(wanted, language, role or ())
    if wanted.is_open and at_terminal():
        wanted = _ask(wanted)
    if wanted.path is None:
        raise UsageError("name the file to write: society new roster mine.yaml")
    _write(wanted.path, _drafted(wanted, api_key_env, role or ()), language, schema)


def _check(wanted: _Wanted, language: str, roles: Sequence[str]) -> None:
    from agents.language import Language
    from agents.role import ModelRole
    from simulation.authoring.files import refuse_existing, refuse_unknown

    refuse_unknown("--language", language, [each.value for each in Language])
    for role in roles:
        refuse_unknown("--role", role, [known.value for known in ModelRole])
    if wanted.path is not None:
        refuse_existing(wanted.path)
    if wanted.base == "" or "" in wanted.adapters:
        raise UsageError("--base and --adapter cannot be empty")


def _drafted(wanted: _Wanted, api_key_env: str | None, names: Sequence[str]) -> Roster:
    """Return the roster to write."""
    from agents.role import ModelRole
    from agents.roster import Roster
    from simulation.authoring.roster_draft import deal, dealt, only_fitting, shared_base

    roles, name = [ModelRole(role) for role in names], wanted.path.stem if wanted.path else ""
    if wanted.people is not None:
        if wanted.endpoint is not None or wanted.folder is not None:
            raise UsageError("--from takes the place of --endpoint and --folder; name adapters with --adapter")
        roster = Roster.from_table(wanted.people, base_model=wanted.base, adapters=wanted.adapters, name=name)
        return roster.with_rows(*dealt(roster.models, wanted.teams or 0, roles))
    found = _found(wanted, api_key_env)
    model = shared_base(found, wanted.base)
    found = only_fitting(found, model, wanted.adapters if wanted.base else ())
    for note in found.notes:
        typer.echo(note, err=True)
    return Roster(name=name, base_model=model, models=deal(found.candidates, wanted.teams or 0, roles))


def _write(path: Path, roster: Roster, language: str, schema: bool) -> None:
    from agents.language import Language
    from agents.roster import roster_schema
    from simulation.authoring.files import write_checked, write_schema
    from simulation.authoring.roster_draft import SCHEMA, roster_text, schema_place

    place = SCHEMA if schema else schema_place(path)
    write_checked(path, roster_text(roster, path, Language(language), place))
    if schema:
        write_schema(path.with_name(SCHEMA), roster_schema())
    typer.echo(str(path))


def _found(wanted: _Wanted, api_key_env: str | None) -> FoundAdapters:
    """The adapters asked for, looked up where they are said to be; names alone are believed."""
    from agents.adapter_sources import Candidate, FoundAdapters, found_at_server, found_in_folder, found_shipped
    from agents.inference.embedded.model_sources import MODEL_ID
    from agents.web_address import is_web_address
    from simulation.authoring.roster_draft import only_named

    if wanted.endpoint is not None and wanted.folder is not None:
        raise UsageError("--endpoint and --folder: give only one of the two")
    if wanted.endpoint is not None:
        if not is_web_address(wanted.endpoint):
            raise UsageError(f"--endpoint {wanted.endpoint}: not an http(s) URL (example: http://localhost:8001/v1)")
        return only_named(found_at_server(wanted.endpoint, api_key_env), wanted.adapters)
    if wanted.folder is not None:
        return only_named(found_in_folder(wanted.folder), wanted.adapters)
    shipped = found_shipped()
    plain = MODEL_ID.rsplit("/", 1)[-1]
    base = wanted.base or plain
    if not wanted.adapters:
        return replace(shipped, candidates=(*shipped.candidates, Candidate(plain, plain)))
    known = {each.name: each for each in shipped.candidates if each.fits(base)}
    return FoundAdapters(tuple(known.get(name, Candidate(name)) for name in wanted.adapters), (base,))


def at_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(wanted: _Wanted) -> _Wanted:
    """Ask a person what the new roster is made from. Nothing is written before the last answer."""
    from simulation.authoring.roster_draft import only_fitting, only_named, shared_base

    path = wanted.path or _asked("File to write", "roster.yaml", _new_file)
    place, found = _asked(
        "Adapters: a server's URL, a folder, or shipped",
        "shipped",
        lambda text: _place(replace(wanted, path=path), text),
    )
    for each in found.candidates:
        rank = f", rank {each.rank}, alpha {each.alpha:g}" if each.rank and each.alpha else ""
        typer.echo(f"  {each.name} (base {each.base or 'unknown'}{rank})")
    bases = {each.base for each in found.candidates if each.base}
    usual = shared_base(found, None) if len({name.rsplit("/", 1)[-1].lower() for name in bases}) == 1 else None
    base, fitting = _asked("Base model", usual, lambda text: (text, only_fitting(found, text)))
    names = ",".join(each.name for each in fitting.candidates)
    adapters = _asked(
        "Adapters to use, separated by commas", names, lambda text: _picked(only_named(fitting, _words(text)))
    )
    teams = _asked("Teams (0 for none)", "0", _teams)
    return replace(place, base=base, adapters=adapters, teams=teams)


def _asked(question: str, usual: str | None, read: Callable[[str], Answered]) -> Answered:
    """Ask until the answer can be read."""
    while True:
        try:
            return read(typer.prompt(question, default=usual).strip())
        except SocietyError as error:
            typer.echo(str(error), err=True)


def _new_file(text: str) -> Path:
    from simulation.authoring.files import refuse_existing

    path = Path(text)
    refuse_existing(path)
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}")
    return path


def _place(wanted: _Wanted, where: str) -> tuple[_Wanted, FoundAdapters]:
    if where.startswith(("http://", "https://")):
        wanted = replace(wanted, endpoint=where)
    elif where != "shipped":
        wanted = replace(wanted, folder=Path(where).expanduser())
    return wanted, _found(wanted, None)


def _words(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _picked(found: FoundAdapters) -> tuple[str, ...]:
    return tuple(each.name for each in found.candidates)


def _teams(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_TEAMS:
        raise UsageError(f"teams: {text} is not between 0 and {MOST_TEAMS}")
    return int(text)
