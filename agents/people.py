"""The section `people` of a roster file: rows made of a table of people, drawn by a seed, each with its attributes.

    people:
      file: profiles.json         # CSV, TSV, JSON, JSONL or Parquet; OASIS's Reddit JSON and Twitter CSV too
      persona: "{{ bio }} You are {{ age }} years old."
      count: 20
      seed: 3
      model_name: [cooperator, defector]

`agents.roster_table` lists the columns that a roster has a place for. All others are the row's `attributes`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Discriminator, Field, Tag

from agents.file_model import FileModel, Real, Text, Whole
from agents.findings import Finding, examine, shown
from agents.problems import InvalidFileError, UsageError, nearest
from agents.proportions import largest_remainders

if TYPE_CHECKING:
    from agents.roster_table import Table

PEOPLE = "people"
Attribute = str | int | float | bool
Shares = Annotated[
    Annotated[tuple[Text, ...], Tag("list")] | Annotated[dict[Text, Real], Tag("shares")] | Annotated[Text, Tag("one")],
    Discriminator(
        lambda value: "shares" if isinstance(value, Mapping) else "one" if isinstance(value, str) else "list"
    ),
]


class PeopleConfig(FileModel):
    """Rows made of a table of people."""

    file: Text
    """The table: CSV, TSV, JSON, JSONL or Parquet, relative to the roster file."""
    persona: Text | None = None
    """A Jinja template of each one's persona, with the table's columns as variables; by default its own persona."""
    count: Whole | None = Field(default=None, ge=1)
    """How many are drawn, without repetition, in the table's order; by default all."""
    seed: Whole = Field(default=0, ge=0)
    """The seed of what is drawn, and of who plays which model by `model_name: {...}`."""
    model_name: Shares = ()
    """Who plays those whose row names no model: a served name, a list in turn, or shares: `{a: 0.7, b: 0.3}`."""
    policy: Text | None = None
    """The scripted player of those whose row names no model, in place of `model_name`."""


def with_people(data: Mapping[str, Any], folder: Path, keys: Sequence[str]) -> tuple[dict[str, Any], list[Finding]]:
    """Return a raw roster with the rows of its `people` after its own, and everything wrong in the section.

    Args:
        data: The raw roster.
        folder: Where the table's path begins.
        keys: The keys of a roster row.
    """
    left = {key: value for key, value in data.items() if key != PEOPLE}
    config, found = examine(PeopleConfig, data[PEOPLE]) if isinstance(data[PEOPLE], Mapping) else (None, _NO_MAPPING)
    if config is None or found:
        return left, [finding.under(PEOPLE) for finding in found]
    from agents.roster_table import read_table

    try:
        table = read_table(folder / config.file)
        rows = people_rows(sampled(table, config.count, config.seed), keys, persona=config.persona)
    except InvalidFileError as error:
        problem = error.problems[0]
        where = f"{problem.file}:{problem.line}" if problem.line else problem.file
        return left, [Finding((PEOPLE, "file"), f"{where}: {problem.message}", problem.suggestion)]
    except TemplateError as error:
        return left, [Finding((PEOPLE, "persona"), str(error), error.hint)]
    except (UsageError, OSError) as error:
        return left, [Finding((PEOPLE, "file"), str(error))]
    players = _players(config, len(rows), str(data.get("base_model") or ""))
    made = [_played(row, player, config.policy) for row, player in zip(rows, players, strict=True)]
    own = data.get("models")
    return {**left, "models": [*(own if isinstance(own, (list, tuple)) else ()), *made]}, []


_NO_MAPPING = [Finding((), "is no mapping", "write people: {file: profiles.json}")]


def sampled(table: Table, count: int | None, seed: int) -> Table:
    """Return some people of a table, drawn by the seed and in the table's order.

    Raises:
        UsageError: There are fewer.
    """
    people = len(table.rows)
    if count is None:
        return table
    if count > people:
        raise UsageError(f"{table.name} has {people} people; {count} cannot be drawn")
    drawn = sorted(random.Random(f"{seed}/people").sample(range(people), count))
    return replace(table, rows=[table.rows[place] for place in drawn])


def people_rows(
    table: Table, keys: Sequence[str], *, persona: str | None = None, players: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the rows of a roster: each person's, with the persona of the template and all other columns as attributes.

    Raises:
        TemplateError: The template cannot be filled in.
    """
    from agents.roster_table import plain_cells, roster_rows

    rows, unused = roster_rows(table, keys, players)
    texts = _personas(table, persona) if persona else [None] * len(rows)
    made = []
    for row, text, (_, person) in zip(rows, texts, table.rows, strict=True):
        cells = plain_cells(person)
        attributes = {name: _plain(cells[name]) for name in unused if name in cells}
        own = {"attributes": attributes} if attributes else {}
        made.append({**row, **own, **({} if text is None else {"persona": text})})
    return made


def _plain(value: Any) -> Attribute:
    """Return an attribute as a column can have it: a list or mapping as JSON."""
    import orjson

    return value if isinstance(value, (str, int, float, bool)) else orjson.dumps(value, default=str).decode()


class TemplateError(ValueError):
    """A template of personas that cannot be filled in; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _personas(table: Table, template: str) -> list[str]:
    """Return each person's persona. The template runs in Jinja's sandbox and knows the table's columns."""
    from jinja2 import StrictUndefined, TemplateSyntaxError, meta
    from jinja2.sandbox import SandboxedEnvironment

    from agents.roster_table import plain_cells

    made = SandboxedEnvironment(undefined=StrictUndefined)
    columns = list(dict.fromkeys(str(column) for _, person in table.rows for column in person))
    try:
        names = meta.find_undeclared_variables(made.parse(template))
        compiled = made.from_string(template)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{shown(template)} cannot be read: {error.message}") from error
    for name in sorted(names - set(columns)):
        raise TemplateError(f"{table.name} has no column {name!r}", nearest(name, columns))
    empty = dict.fromkeys(columns, "")
    try:
        return [" ".join(compiled.render({**empty, **plain_cells(person)}).split()) for _, person in table.rows]
    except Exception as error:
        raise TemplateError(f"{shown(template)} cannot be filled in: {type(error).__name__}: {error}") from error


def _players(config: PeopleConfig, people: int, base_model: str) -> list[str]:
    """Return the model of each person, in turn or by shares; empty texts where none is named."""
    names = config.model_name
    if isinstance(names, dict):
        players = [name for name, count in largest_remainders(names, people).items() for _ in range(count)]
        random.Random(f"{config.seed}/models").shuffle(players)
        return players
    listed = [names] if isinstance(names, str) else list(names) or [base_model]
    return [listed[number % len(listed)] for number in range(people)]


def _played(row: dict[str, Any], player: str, policy: str | None) -> dict[str, Any]:
    if {"model_name", "policy", "human"} & row.keys() or not (policy or player):
        return row
    return {**row, "policy": policy} if policy else {**row, "model_name": player}
