"""A YAML file that a user wrote, as plain data with the line of every key."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.findings import Finding, KeyPath, dotted, shown
from agents.problems import InvalidFileError, Problem, nearest
from agents.yaml_reader import SHORTER, NodeReader, compose, line_of

MAX_BYTES = 1_000_000
TABLES = (".csv", ".tsv", ".json", ".jsonl")
"""Suffixes of tables of people (`agents.roster_table`); a mapping in JSON is YAML too."""


@dataclass(frozen=True)
class YamlFile:
    """A file's content as dicts, lists and scalars, and the line of each.

    `problems` are mistakes that left the rest readable (duplicate keys, foreign tags). `overrides` maps the path of a
    value that was set from outside the file to the name that a problem gives it.
    """

    name: str
    data: dict[str, Any]
    lines: Mapping[KeyPath, int]
    problems: tuple[Problem, ...] = ()
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)

    def locate(self, path: KeyPath) -> int:
        """Return the line of the key at `path`, from 1; for a missing key, that of the nearest enclosing one."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def problem(self, finding: Finding) -> Problem:
        """Return the finding as a problem with its file and line, or with the override that caused it."""
        path = finding.path
        place = (self.name, self.locate(path))
        for end in range(len(path), 0, -1):
            if path[:end] in self.overrides:
                place = (self.overrides[path[:end]], 0)
                break
        return Problem(*place, dotted(path), finding.message, finding.suggestion)

    def all_problems(self, findings: Iterable[Finding]) -> tuple[Problem, ...]:
        """Return the file's own problems and those of `findings`, one for each key in each line."""
        reported = {(problem.line, problem.where) for problem in self.problems}
        problems = (self.problem(finding) for finding in findings)
        return (*self.problems, *(each for each in problems if (each.line, each.where) not in reported))

    def override(self, key: str, text: str) -> YamlFile:
        """Return the file with the value at the dotted `key` replaced by `text`, read as YAML.

        Mappings on the way that the file leaves out are made; list entries must exist.

        Raises:
            InvalidFileError: The key leads to nothing, or `text` is not YAML.
        """
        label = f"--set {key}={text}"
        return self.put(key, read_value(text, label, key), label)

    def put(self, key: str, value: object, label: str) -> YamlFile:
        """Return the file with the value at the dotted `key` replaced.

        Mappings on the way that the file leaves out are made; list entries must exist.

        Args:
            key: The dotted key, for example `tasks.0.max_steps`.
            value: Plain data: mappings, lists and scalars.
            label: What a problem with the value is reported under, in place of file and line.

        Raises:
            InvalidFileError: The key leads to nothing.
        """
        data = dict(self.data)
        try:
            path, existing = _put(data, key.split("."), value)
        except ValueError as error:
            raise InvalidFileError([Problem(label, 0, key, str(error))]) from None
        labels = {path[:end]: label for end in range(existing + 1, len(path) + 1)}
        return replace(self, data=data, overrides={**self.overrides, **labels})


def read_value(text: str, label: str, key: str) -> object:
    """Return a value that is given as YAML text; a problem with it is reported under `label`, for `key`.

    Raises:
        InvalidFileError: The text is not YAML.
    """
    reader = NodeReader(label)
    problems: Iterable[Problem] = reader.problems
    value = None
    try:
        root = compose(text, label)
        value = None if root is None else reader.value(root, ())
    except InvalidFileError as error:
        problems = error.problems
    if problems:
        raise InvalidFileError(replace(problem, line=0, where=key) for problem in problems)
    return value


def _put(data: dict[str, Any], keys: list[str], value: object) -> tuple[KeyPath, int]:
    """Set `value` below `data`; return its path, and how many keys of that path were there already.

    Containers on the way are replaced by copies: `data` may share them with another file.
    """
    here: Any = data
    path: list[str | int] = []
    existing = len(keys) - 1
    for key in keys[:-1]:
        path.append(_step(here, key))
        if isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
            existing = min(existing, len(path) - 1)
        here[path[-1]] = copy.copy(here[path[-1]])
        here = here[path[-1]]
    path.append(_step(here, keys[-1]))
    here[path[-1]] = value
    return tuple(path), existing


def _step(here: object, key: str) -> str | int:
    if isinstance(here, dict):
        return key
    if not isinstance(here, list):
        raise ValueError(f"{shown(here)} has no keys below it")
    if key.isascii() and key.isdecimal() and int(key) < len(here):
        return int(key)
    raise ValueError(f"there is no entry {key!r}; the list has {len(here)}, counted from 0")


def read_yaml(path: Path) -> YamlFile:
    """Return the YAML mapping at `path`.

    Raises:
        InvalidFileError: There is none.
    """
    name = display(path)
    text = read_text(path)
    if path.suffix.lower() in TABLES and not text.lstrip().startswith("{"):
        hint = f"make a roster of it: society new roster NEW.yaml --from {name}; in Python: Roster.from_table"
        raise InvalidFileError([Problem(name, 0, "", "is a table and not a roster in YAML", hint)])
    return parse_yaml(text, name)


def read_text(path: Path, most: int = MAX_BYTES, hint: str = SHORTER) -> str:
    """Return the text of a UTF-8 file.

    Args:
        path: The file.
        most: The most bytes it may have.
        hint: What helps where it has more.

    Raises:
        InvalidFileError: The file cannot be read, is too large or is not UTF-8.
    """
    name = display(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidFileError([Problem(name, 0, "", f"cannot be read: {reason}")]) from None
    if len(raw) > most:
        raise InvalidFileError([Problem(name, 0, "", f"is larger than {most:,} bytes", hint)])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidFileError([Problem(name, line, "", "is not UTF-8 text", "save it as UTF-8")]) from None


def parse_yaml(text: str, name: str) -> YamlFile:
    """Read `text` as a YAML mapping; `name` is the file's name in problems.

    Raises:
        InvalidFileError: The text has a syntax error, or is not a mapping.
    """
    root = compose(text, name)
    if root is None:
        raise InvalidFileError([Problem(name, 0, "", "is empty")])
    reader = NodeReader(name)
    data = reader.value(root, ())
    if not isinstance(data, dict):
        raise InvalidFileError([Problem(name, line_of(root), "", "is not a mapping of keys to values")])
    return YamlFile(name, data, reader.lines, tuple(reader.problems))


def display(path: Path) -> str:
    """Return a path as problems show it: relative to the working directory if it is below it."""
    here, whole = Path.cwd(), path.resolve()
    below = whole != here and whole.is_relative_to(here)
    return str(whole.relative_to(here) if below else path)


def find_file(asked: str | Path, kind: str, shipped: Mapping[str, Path], folder: Path | None = None) -> Path:
    """Find the file of a path or of a shipped name. A file that exists wins over a shipped name.

    Args:
        asked: The path or name.
        kind: What the file is, for messages: "roster" or "scenario".
        shipped: The shipped files by name.
        folder: Where paths start; the working directory by default.

    Raises:
        InvalidFileError: There is no such file or name; the message gives the nearest name.
    """
    text = str(asked)
    path = (folder or Path()) / text
    if is_file(path):
        return path
    if text in shipped:
        return shipped[text]
    if path.suffix in (".yaml", ".yml") or "/" in text or "\\" in text:
        raise InvalidFileError([Problem(text, 0, "", f"there is no such {kind} file")])
    hint = nearest(text, tuple(shipped)) if shipped else "none is shipped"
    if hint.startswith("did you mean"):
        hint += f" shipped: {', '.join(shipped)}"
    raise InvalidFileError([Problem(text, 0, "", f"there is no {kind} of this name", hint)])


def is_file(path: Path) -> bool:
    """Tell whether a file is at `path`; False also for a path that cannot be one."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a null byte
        return False


def shipped_files(folder: Path) -> dict[str, Path]:
    """Return the YAML files of a folder by name, sorted."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
