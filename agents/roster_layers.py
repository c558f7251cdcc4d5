"""Rosters that build on other rosters: `extends: base.yaml`, then only the differences.

A row whose `model_id` is known changes that row key by key; null removes a key (JSON Merge Patch, RFC 7386);
`remove: true` removes the row; any other row is added. A row has one kind of player: a `policy` replaces a
`model_name`, and the other way round. Every value keeps the file and line that it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.findings import Finding, KeyPath, shown
from agents.problems import InvalidFileError, Problem, nearest
from agents.roster_rules import adapter_findings
from agents.yaml_file import YamlFile, display, find_file, read_yaml

EXTENDS = "extends"
REMOVE = "remove"
MAX_LAYERS = 20
_KINDS = ("model_name", "policy", "human")
_OF_AN_ADAPTER = ("adapter", "endpoint", "base_model", "lora_rank", "lora_alpha", "sampling")


@dataclass(frozen=True)
class Layer:
    """One file of a chain."""

    file: YamlFile
    folder: Path


@dataclass(frozen=True)
class RowOrigin:
    """Where a value of the composed roster comes from: a file, and the path in it."""

    layer: Layer
    path: KeyPath


@dataclass(frozen=True)
class ComposedRoster:
    """The raw roster that a chain of files makes; `layers` go from the file that extends nothing to the one loaded."""

    data: dict[str, Any]
    layers: tuple[Layer, ...]
    origins: Mapping[KeyPath, RowOrigin]
    problems: tuple[Problem, ...]
    """Mistakes in single files, and in how they build on each other."""

    def folder_of(self, path: KeyPath) -> Path:
        """Return the folder of the file that a value comes from."""
        return (self.origins[path].layer if path in self.origins else self.layers[-1]).folder

    def problem(self, finding: Finding) -> Problem:
        """Return the finding as a problem with the file, line and key of its cause."""
        end = len(finding.path)
        while finding.path[:end] not in self.origins:
            end -= 1
        origin = self.origins[finding.path[:end]]
        path = (*origin.path, *finding.path[end:])
        return origin.layer.file.problem(Finding(path, finding.message, finding.suggestion))

    def all_problems(self, findings: Iterable[Finding]) -> tuple[Problem, ...]:
        """Return the files' own problems and those of `findings`, one for each key in each line."""
        reported = {(each.file, each.line, each.where) for each in self.problems}
        problems = (self.problem(finding) for finding in findings)
        return (*self.problems, *(each for each in problems if (each.file, each.line, each.where) not in reported))


@dataclass
class _LayeredRow:
    """A row that later layers may still change. The paths of `origins` start at the row."""

    values: dict[str, Any]
    origins: dict[KeyPath, RowOrigin]

    @classmethod
    def first(cls, layer: Layer, index: int, values: dict[str, Any]) -> _LayeredRow:
        """Return a row as its first layer gives it."""
        place: KeyPath = ("models", index)
        keys: dict[KeyPath, RowOrigin] = {(key,): RowOrigin(layer, (*place, key)) for key in values}
        return cls(dict(values), {(): RowOrigin(layer, place), **keys})

    def change(self, layer: Layer, index: int, change: Mapping[str, Any]) -> None:
        """Apply a later layer's change to the row."""
        place: KeyPath = ("models", index)
        self.origins[()] = RowOrigin(layer, place)
        for key in _displaced(change):
            self._drop(key)
        for key, value in change.items():
            old = self.values.get(key)
            if value is None:
                self._drop(key)
            elif isinstance(old, dict) and isinstance(value, dict):
                merged = {**old, **value}
                self.values[key] = {part: each for part, each in merged.items() if each is not None}
                self.origins |= {(key, part): RowOrigin(layer, (*place, key, part)) for part in value}
            else:
                self._drop(key)
                self.values[key] = value
                self.origins[(key,)] = RowOrigin(layer, (*place, key))

    def _drop(self, key: str) -> None:
        self.values.pop(key, None)
        for path in [path for path in self.origins if path[:1] == (key,)]:
            del self.origins[path]


def _displaced(change: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that no longer apply once a row has another kind of player."""
    named = [kind for kind in _KINDS if change.get(kind) not in (None, False)]
    if not named:
        return ()
    others = tuple(kind for kind in _KINDS if kind not in named)
    return (*others, *(() if "model_name" in named else _OF_AN_ADAPTER))


@dataclass
class _Composition:
    """A roster while its layers are applied one after the other."""

    layers: tuple[Layer, ...]
    top: dict[str, Any] = field(default_factory=dict)
    origins: dict[KeyPath, RowOrigin] = field(default_factory=dict)
    rows: list[_LayeredRow | tuple[RowOrigin, object]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken_rows: bool = False

    def add(self, layer: Layer) -> None:
        """Apply one more layer."""
        builds_on_another = layer is not self.layers[0]
        for key, value in with_absolute_adapters(layer.file.data, layer.folder).items():
            if key == EXTENDS:
                continue
            if key == "models" and isinstance(value, list):
                self._add_rows(layer, value, builds_on_another)
                self.origins.setdefault((key,), RowOrigin(layer, (key,)))
            elif value is None and builds_on_another and key != "models":
                self.top.pop(key, None)
                self.origins.pop((key,), None)
            else:
                self.broken_rows |= key == "models"
                self.top[key] = value
                self.origins[(key,)] = RowOrigin(layer, (key,))

    def _add_rows(self, layer: Layer, rows: list[object], builds_on_another: bool) -> None:
        known: dict[str, _LayeredRow] = {}
        if builds_on_another:
            known = {str(row.values.get("model_id")): row for row in self.rows if isinstance(row, _LayeredRow)}
        first: dict[str, int] = {}
        for index, values in enumerate(rows):
            if not isinstance(values, dict):
                self.rows.append((RowOrigin(layer, ("models", index)), values))
                continue
            finding = _change_finding(values, known, first) if builds_on_another else None
            if finding is not None:
                self.problems.append(layer.file.problem(finding.under("models", index)))
                continue
            if not builds_on_another and REMOVE in values:
                useless = Finding(("models", index, REMOVE), "removes a row only in a roster that extends another")
                self.problems.append(layer.file.problem(useless))
            model_id = values.get("model_id")
            row = known.get(model_id) if isinstance(model_id, str) else None
            if row is None:
                self.rows.append(_LayeredRow.first(layer, index, values))
            elif values.get(REMOVE):
                self.rows = [each for each in self.rows if each is not row]
            else:
                row.change(layer, index, values)
            if isinstance(model_id, str):
                first.setdefault(model_id, index)

    def finish(self) -> ComposedRoster:
        """Return the composed roster with the origin of every value."""
        leaf = self.layers[-1]
        self.origins.setdefault((), RowOrigin(leaf, ()))
        data = dict(self.top)
        if ("models",) in self.origins and not self.broken_rows:
            data["models"] = [row.values if isinstance(row, _LayeredRow) else row[1] for row in self.rows]
            for index, row in enumerate(self.rows):
                inner = row.origins if isinstance(row, _LayeredRow) else {(): row[0]}
                self.origins |= {("models", index, *path): origin for path, origin in inner.items()}
        own = [problem for layer in self.layers for problem in layer.file.problems]
        found = (*own, *self.problems, *self._misplaced())
        return ComposedRoster(data, self.layers, self.origins, tuple(dict.fromkeys(found)))

    def _misplaced(self) -> Iterator[Problem]:
        """Yield a problem for each adapter path that leads nowhere, as its own file spells the path."""
        for layer in self.layers:
            used = {origin.path for origin in self.origins.values() if origin.layer is layer}
            for finding in adapter_findings(layer.file.data, layer.folder):
                if finding.path in used:
                    yield layer.file.problem(finding)


def _change_finding(
    values: Mapping[str, Any], known: Mapping[str, _LayeredRow], first: Mapping[str, int]
) -> Finding | None:
    """Return why a row cannot change the roster it builds on.

    Args:
        values: The row.
        known: The rows of the roster that is extended, by model_id.
        first: The index of each model_id in the rows before this one, in the same file.
    """
    model_id = values.get("model_id")
    if isinstance(model_id, str) and model_id in known and model_id in first:
        return Finding(("model_id",), f"{shown(model_id)} is already changed by models.{first[model_id]}")
    if REMOVE not in values:
        return None
    if values[REMOVE] is not True:
        return Finding((REMOVE,), f"{shown(values[REMOVE])} is not true", "leave remove out to keep the row")
    if not isinstance(model_id, str):
        return Finding((), "removes a row, but has no model_id to say which")
    if model_id not in known:
        return Finding(("model_id",), f"there is no {shown(model_id)} to remove", nearest(model_id, tuple(known)))
    others = [key for key in values if key not in ("model_id", REMOVE)]
    return Finding((others[0],), "a row with remove: true has no other keys") if others else None


def compose_roster(path: Path, shipped: Mapping[str, Path]) -> ComposedRoster:
    """Compose the raw roster of a file and those it extends.

    Args:
        path: The file.
        shipped: The shipped rosters by name.

    Raises:
        InvalidFileError: A file of the chain cannot be read, or extends one that extends it.
    """
    layers = tuple(reversed(list(_chain(path, shipped))))
    composition = _Composition(layers)
    for layer in layers:
        composition.add(layer)
    return composition.finish()


def _chain(path: Path, shipped: Mapping[str, Path]) -> Iterator[Layer]:
    """Yield the files from the one asked for to the one that extends nothing."""
    seen: list[Path] = []
    while True:
        seen.append(path.resolve())
        layer = Layer(read_yaml(path), path.parent)
        yield layer
        if EXTENDS not in layer.file.data:
            return
        path = _extended(layer, shipped)
        names = " extends ".join(display(each) for each in (*seen, path.resolve()))
        if path.resolve() in seen:
            raise _refusal(layer, f"goes in a circle: {names}")
        if len(seen) == MAX_LAYERS:
            raise _refusal(layer, f"makes a chain of more than {MAX_LAYERS} files")


def _extended(layer: Layer, shipped: Mapping[str, Path]) -> Path:
    asked = layer.file.data[EXTENDS]
    if not isinstance(asked, str) or not asked:
        raise _refusal(layer, f"{shown(asked)} is neither a roster file nor a shipped roster's name")
    if asked not in shipped and Path(asked).suffix not in (".yaml", ".yml") and "/" in asked:
        raise _refusal(layer, f"{shown(asked)} is not a YAML file", "a roster's name ends in .yaml")
    try:
        return find_file(asked, "roster", shipped, layer.folder)
    except InvalidFileError as error:
        problem = error.problems[0]
        raise _refusal(layer, f"{shown(asked)}: {problem.message}", problem.suggestion) from None


def _refusal(layer: Layer, message: str, suggestion: str = "") -> InvalidFileError:
    found = layer.file.problem(Finding((EXTENDS,), message, suggestion))
    return InvalidFileError([*layer.file.problems, found])


def with_absolute_adapters(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a raw roster with its adapter paths, which are relative to `folder`, made absolute."""
    rows = data.get("models")
    if not isinstance(rows, list):
        return data
    return {**data, "models": [_with_absolute_adapter(row, folder) for row in rows]}


def _with_absolute_adapter(row: object, folder: Path) -> object:
    if not isinstance(row, dict) or not isinstance(row.get("adapter"), str) or not row["adapter"]:
        return row
    return {**row, "adapter": str((folder / row["adapter"]).absolute())}
