"""Tables of people as rosters: CSV, JSON or a DataFrame, with a roster's columns or those of OASIS's profile files.

| the row's        | comes from the column                                                    |
|------------------|--------------------------------------------------------------------------|
| model_id         | model_id, else username, user_name, name, realname, user_id, id          |
| persona          | persona, else user_char, bio, description                                |
| specialization   | specialization, else profession                                          |
| sampling         | temperature, top_p, max_tokens                                           |
| any other key    | the column of the same name: model_name, policy, role, team_id, count... |

OASIS's Reddit profiles are JSON (realname, username, bio, persona, profession, ...); its Twitter profiles are CSV
(user_id, name, username, following_agentid_list, previous_tweets, user_char, description).
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.file_model import plain_value
from agents.findings import shown
from agents.problems import InvalidFileError, Problem, UsageError
from agents.roster_rules import free_id
from agents.yaml_file import TABLES, display, read_text

_NAMES = ("username", "user_name", "name", "realname", "user_id", "id")
_FIRST_OF: Mapping[str, Sequence[str]] = {
    "persona": ("persona", "user_char", "bio", "description"),
    "specialization": ("specialization", "profession"),
}
_SAMPLING = ("temperature", "top_p", "max_tokens")
_TEXT = ("model_id", "model_name", "role", "team_id", "specialization", "endpoint", "base_model", "adapter", "policy")
_WHOLE = ("lora_rank", "count", "max_tokens")
_REAL = ("lora_alpha", "temperature", "top_p")
_LISTS = ("models", "users", "agents", "people", "data")
_PARQUET = ".parquet"
_MOST_BYTES = 100_000_000
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Table:
    """Rows as they were read: each with its line, 0 where there are no lines; `top` is what stands beside them."""

    name: str
    rows: Sequence[tuple[int, Mapping[str, Any]]]
    top: Mapping[str, Any] = field(default_factory=dict)


def read_table(source: object) -> Table:
    """Return the rows of a file, of a DataFrame, or of a list of mappings.

    Args:
        source: A path that ends in .csv, .tsv, .json, .jsonl or .parquet; a pandas DataFrame; or mappings.

    Raises:
        InvalidFileError: The file cannot be read as its suffix says.
        UsageError: There are no rows, or `source` is something else.
    """
    if isinstance(source, (str, Path)):
        table = _read_file(Path(source).expanduser())
    elif hasattr(source, "to_dict") and hasattr(source, "columns"):
        table = Table("the table", [(0, row) for row in source.to_dict("records")])
    elif isinstance(source, Iterable) and not isinstance(source, Mapping):
        table = Table("the table", [(0, row) for row in source])
    else:
        kinds = f"a file ({', '.join(TABLES)}), a DataFrame or a list of mappings"
        raise UsageError(f"people cannot be read from {shown(source)} ({type(source).__name__}); give {kinds}")
    for _, row in table.rows:
        if not isinstance(row, Mapping):
            raise UsageError(f"{table.name}: {shown(row)} is not a mapping of columns to values")
    if not table.rows:
        raise UsageError(f"{table.name} has no rows")
    return table


def _read_file(path: Path) -> Table:
    name = display(path)
    suffix = path.suffix.lower()
    if suffix == _PARQUET:
        return Table(name, [(0, row) for row in _parquet_rows(path, name)])
    if suffix not in TABLES:
        raise UsageError(f"{name}: people are read from {', '.join((*TABLES, _PARQUET))}")
    text = read_text(path, _MOST_BYTES, "read it in pandas and give the DataFrame")
    if suffix in (".csv", ".tsv"):
        return Table(name, list(_csv_rows(text, name)))
    if suffix == ".jsonl":
        lines = enumerate(text.splitlines(), start=1)
        return Table(name, [(number, _json(line, name, number)) for number, line in lines if line.strip()])
    return _json_table(_json(text, name, 1), name)


def _parquet_rows(path: Path, name: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InvalidFileError([Problem(name, 0, "", f"cannot be read: {error}")]) from error
    return rows


def _csv_rows(text: str, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",\t;", key=head.count))
    for row in reader:
        if None in row:
            message = f"has more values than the first line has columns: {shown(row[None])}"
            raise InvalidFileError([Problem(name, reader.line_num, "", message, "put texts with commas in quotes")])
        yield reader.line_num, {str(column).strip(): value for column, value in row.items()}


def _json(text: str, name: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = line + error.lineno - 1
        raise InvalidFileError([Problem(name, where, "", f"is not valid JSON: {error.msg}")]) from None


def _json_table(data: Any, name: str) -> Table:
    if isinstance(data, list):
        return Table(name, [(0, row) for row in data])
    key = next((key for key in _LISTS if isinstance(data, dict) and isinstance(data.get(key), list)), None)
    if key is None:
        hint = f"write a list of people, or a mapping with one: {', '.join(_LISTS)}"
        raise InvalidFileError([Problem(name, 0, "", "has no list of people", hint)])
    return Table(name, [(0, row) for row in data[key]], {each: data[each] for each in data if each != key})


# -- rows ---------------------------------------------------------------------------------------------------


def roster_rows(table: Table, keys: Sequence[str], players: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of a roster, and the columns that were not used.

    Args:
        table: The people.
        keys: The keys of a roster row.
        players: Names of adapters for people whose row names neither a model nor a policy, in turn.
    """
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    used: set[str] = set()
    for number, (_, person) in enumerate(table.rows):
        cells = plain_cells(person)
        row = {key: _typed(key, cells[key]) for key in keys if key in cells}
        used |= {key for key in keys if key in cells}
        sampling = {key: _typed(key, cells[key]) for key in _SAMPLING if key in cells}
        if sampling:
            row["sampling"] = sampling
        for key, columns in _FIRST_OF.items():
            found = next((column for column in columns if column in cells), None)
            if found:
                row[key] = str(_as_text(cells[found]))
                used |= {found}
        if "model_id" not in row:
            column = next((each for each in _NAMES if each in cells), None)
            row["model_id"] = free_id(str(_as_text(cells[column])) if column else f"person_{number + 1}", taken)
            used |= {column} if column else set()
        if players and not ({"model_name", "policy", "human"} & row.keys()):
            row["model_name"] = players[number % len(players)]
        taken.add(str(row["model_id"]))
        rows.append({key: row[key] for key in keys if key in row})
    every = dict.fromkeys(str(column) for _, person in table.rows for column in person)
    return rows, [each for each in every if each not in {*used, *_SAMPLING, ""}]


def plain_cells(person: Mapping[str, Any]) -> dict[str, Any]:
    """Return a person's columns with their plain values, without empty cells."""
    return {key: value for key, value in map(_cell, person.items()) if value is not None}


def _cell(item: tuple[Any, Any]) -> tuple[str, Any]:
    """Return a column and its plain value; None for what a table has in an empty cell."""
    column, value = str(item[0]), plain_value(item[1])
    if (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or type(value).__name__ in ("NAType", "NaTType")
    ):
        return column, None
    if isinstance(value, str) and not value.strip():
        return column, None
    return column, value.strip() if isinstance(value, str) else value


def _typed(key: str, value: Any) -> Any:
    """Return a cell as the type that its key has in a roster, where it is plain; others are left to be refused."""
    if key in _TEXT:
        return _as_text(value)
    if key == "human" and str(value).lower() in _WORDS:
        return _WORDS[str(value).lower()]
    try:
        number = float(value) if key in (*_WHOLE, *_REAL) and not isinstance(value, bool) else None
    except (TypeError, ValueError):
        return value
    if number is None or not math.isfinite(number):
        return value
    return int(number) if key in _WHOLE and number.is_integer() else number


def _as_text(value: Any) -> Any:
    """Return a number of a table as the text that a person would write: 2024, not 2024.0."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
