"""Rosters as YAML that people edit: rewriting a file preserves its comments, its order and its spelling.

The text is edited only where the roster differs: rows are left, removed, moved and added as blocks of lines, each with
the comments above it, and within a row only changed values are replaced (ruamel.yaml's own round trip joins lines
after some comments). Where the edited text would not read back as the roster, as with an alias that shares a value
between rows or with rows that another file brings in, the file is written again without its comments.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from agents.findings import RawMapping, models_in
from agents.problems import InvalidFileError, Problem
from agents.roster_layers import with_absolute_adapters
from agents.yaml_file import parse_yaml, read_text
from agents.yaml_reader import compose

_EXISTING = "the existing roster"
_PLAIN = re.compile(r"[^\W\d_][\w ./-]*")
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Edit = tuple[int, int, str]
"""Put this text in place of the characters from start to end."""


def save_roster(roster: BaseModel, path: Path) -> None:
    """Write a roster to `path`, completely or not at all; see `Roster.save`."""
    existing = read_text(path) if path.exists() else ""
    text = roster_to_yaml(roster, existing, path.parent)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise InvalidFileError([Problem(str(path), 0, "", f"cannot be written: {error.strerror}")]) from None


def roster_to_yaml(roster: BaseModel, existing: str = "", folder: Path | None = None) -> str:
    """Return a roster as YAML text.

    Args:
        roster: The roster.
        existing: A file's present text; it is changed no more than necessary.
        folder: The folder that the text is for; adapter paths below it become relative.

    Raises:
        InvalidFileError: `existing` is not a valid YAML mapping.
    """
    folder = (folder or Path()).absolute()
    data = _plain(roster, folder)
    root = compose(existing, _EXISTING)
    model = type(roster)
    if root is None:
        return existing + _fresh(data, model)
    file = parse_yaml(existing, _EXISTING)
    if file.problems:
        raise InvalidFileError(file.problems)
    text = _edited(existing.rstrip("\n") + "\n", root, file.data, data, model)
    return text if _reads_as(text, data, model, folder) else _fresh(data, model)


def _plain(roster: BaseModel, folder: Path) -> dict[str, Any]:
    data = roster.model_dump(mode="json")
    for row in data["models"]:
        if row["adapter"] is not None:
            row["adapter"] = _portable(Path(row["adapter"]).absolute(), folder)
    return data


def _portable(adapter: Path, folder: Path) -> str:
    """Return a path below `folder` relative to it, any other as it is."""
    return adapter.relative_to(folder).as_posix() if adapter.is_relative_to(folder) else str(adapter)


def _reads_as(text: str, data: dict[str, Any], model: type[BaseModel], folder: Path) -> bool:
    try:
        raw = with_absolute_adapters(parse_yaml(text, _EXISTING).data, folder)
        return _plain(model.model_validate(raw), folder) == data
    except (InvalidFileError, ValidationError):
        return False


# -- values as text -----------------------------------------------------------------------------------------


def _fresh(data: RawMapping, model: type[BaseModel]) -> str:
    lines = [f"{key}: {inline(value)}\n" for key, value in _sparse(data, model).items() if key != "models"]
    row_model = _model_of(model, "models")
    return "".join([*lines, "models:\n", *(_block(row, row_model, "  ") for row in data["models"])])


def _block(row: RawMapping, model: type[BaseModel], indent: str) -> str:
    dashes = itertools.chain(["- "], itertools.repeat("  "))
    entries = zip(_sparse(row, model).items(), dashes, strict=False)
    return "".join(f"{indent}{dash}{key}: {inline(value)}\n" for (key, value), dash in entries)


def _sparse(data: RawMapping, model: type[BaseModel]) -> dict[str, Any]:
    """Return the entries that are neither a default nor empty."""
    sparse = {
        key: _sparse(value, _model_of(model, key)) if isinstance(value, dict) and _has_model(model, key) else value
        for key, value in data.items()
    }
    defaults = {name: field.default for name, field in model.model_fields.items()}
    return {key: value for key, value in sparse.items() if value not in (defaults.get(key), {}, None)}


def _has_model(model: type[BaseModel], key: str) -> bool:
    """Tell whether the mapping of a field is a model's; another has no defaults, as a text for each language."""
    return bool(models_in(model.model_fields[key].annotation))


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel]:
    """Return the pydantic model in the annotation of the field `key`, alone or in a list."""
    [nested] = models_in(model.model_fields[key].annotation)
    return nested


def inline(value: object) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {inline(part)}" for key, part in value.items()) + "}"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and _is_text(value):
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _is_text(plain: str) -> bool:
    node = compose(plain, "")
    return node is not None and node.tag == "tag:yaml.org,2002:str" and node.value == plain


# -- rows as blocks of lines --------------------------------------------------------------------------------


def _edited(text: str, root: Node, raw: RawMapping, data: dict[str, Any], model: type[BaseModel]) -> str:
    if not isinstance(root, MappingNode) or root.flow_style or "models" not in raw:
        return ""
    pairs = [(key, value) for key, value in root.value]
    place = next(index for index, (key, _) in enumerate(pairs) if key.value == "models")
    key, rows = pairs[place]
    starts = _line_starts(text)
    top = {name: value for name, value in data.items() if name != "models"}
    before = starts[_last_line(pairs[place - 1]) + 1] if place else starts[key.start_mark.line]
    edits = list(_mapping_edits(text, root, raw, top, model, before))
    row_model = _model_of(model, "models")
    if _is_block_list(rows):
        return _with_rows(text, rows, raw["models"], data["models"], row_model, edits)
    end = starts[_last_line(pairs[place]) + 1]
    block = "models:\n" + "".join(_block(row, row_model, "  ") for row in data["models"])
    return _applied(text, 0, len(text), [*edits, (starts[key.start_mark.line], end, block)])


def _is_block_list(rows: Node) -> bool:
    """Return whether the rows are mappings one below the other."""
    if not isinstance(rows, SequenceNode) or rows.flow_style or not rows.value:
        return False
    return all(isinstance(row, MappingNode) for row in rows.value)


def _with_rows(
    text: str,
    rows: SequenceNode,
    raw: list[RawMapping],
    wanted: list[dict[str, Any]],
    model: type[BaseModel],
    edits: list[Edit],
) -> str:
    """Return the text with one block of lines per wanted row, in their order."""
    starts = _line_starts(text)
    ends = [starts[_last_line(row) + 1] for row in rows.value]
    first = starts[_heading_line(text.splitlines(), rows.value[0].start_mark.line)]
    line = text[starts[rows.value[0].start_mark.line] :]
    indent = line[: line.index("-")]
    blocks: dict[object, tuple[MappingNode, RawMapping, int, int]] = {}
    for row, values, start, end in zip(rows.value, raw, [first, *ends[:-1]], ends, strict=True):
        blocks.setdefault(values.get("model_id"), (row, values, start, end))
    parts = []
    for row in wanted:
        if row["model_id"] in blocks:
            node, values, start, end = blocks[row["model_id"]]
            parts.append(_applied(text, start, end, list(_mapping_edits(text, node, values, row, model, end))))
        else:
            parts.append(_block(row, model, indent))
    return "".join([_applied(text, 0, first, edits), *parts, _applied(text, ends[-1], len(text), edits)])


def _heading_line(lines: list[str], line: int) -> int:
    """Return the line at which the comments above `line` start."""
    while not lines[line - 1].strip() or lines[line - 1].lstrip().startswith("#"):
        line -= 1
    return line


# -- edits --------------------------------------------------------------------------------------------------


def _mapping_edits(
    text: str, node: MappingNode, raw: RawMapping, wanted: RawMapping, model: type[BaseModel], end: int
) -> Iterator[Edit]:
    """Yield the edits that give the mapping the values in `wanted`; new keys go to `end`, or before a closing brace."""
    pairs = {key.value: (key, value) for key, value in node.value}
    indent = " " * node.start_mark.column
    for key, value in wanted.items():
        nested = _model_of(model, key) if isinstance(value, dict) and _has_model(model, key) else model
        new = _sparse(value, nested) if isinstance(value, dict) else value
        if _same(key, raw.get(key), new, model):
            continue
        if key in pairs:
            yield from _value_edits(text, *pairs[key], raw[key], value, nested)
        elif node.flow_style:
            yield (node.end_mark.index - 1, node.end_mark.index - 1, f", {key}: {inline(new)}")
        else:
            yield (end, end, f"{indent}{key}: {inline(new)}\n")


def _same(key: str, old: object, new: object, model: type[BaseModel]) -> bool:
    if key == "adapter" and isinstance(old, str) and isinstance(new, str):
        return Path(old) == Path(new)
    if old is None:
        field = model.model_fields.get(key)
        return new in (None, "", {}) or (field is not None and new == field.default)
    return old == new


def _value_edits(
    text: str, key: Node, value: Node, old: object, new: object, nested: type[BaseModel]
) -> Iterator[Edit]:
    colon = text.index(":", key.end_mark.index) + 1
    if isinstance(value, MappingNode) and not value.flow_style and isinstance(old, dict) and isinstance(new, dict):
        end = _line_starts(text)[_last_line((key, value)) + 1]
        yield from _mapping_edits(text, value, old, new, nested, end)
    elif isinstance(value, ScalarNode) and not value.value and value.style is None:
        yield (colon, colon, f" {inline(new)}")
    elif isinstance(value, ScalarNode) and value.style in ("|", ">"):
        end = _line_starts(text)[_last_line(value) + 1]
        yield (colon, end, f" {inline(new)}\n")
    else:
        yield (value.start_mark.index, value.end_mark.index, inline(new))


def _applied(text: str, start: int, end: int, edits: list[Edit]) -> str:
    """Return the characters from `start` to `end` with the edits between them applied."""
    parts = []
    for edit_start, edit_end, new in sorted(edits, key=lambda edit: edit[0]):
        if start <= edit_start and edit_end <= end:
            parts += [text[start:edit_start], new]
            start = edit_end
    return "".join([*parts, text[start:end]])


def _line_starts(text: str) -> list[int]:
    """Return the offset of each line's first character, and of the end of the text."""
    return [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]


def _last_line(node: Node | tuple[Node, Node]) -> int:
    """Return the last line that a node, or a key and its value, is on; from 0."""
    if isinstance(node, tuple):
        return max(_last_line(part) for part in node if part.value != "" or part is node[0])
    line = int(node.end_mark.line)
    if isinstance(node, ScalarNode):
        below = node.end_mark.column == 0 and line > node.start_mark.line
        return line - 1 if below else line  # a block scalar ends at the start of the line after it
    if isinstance(node, CollectionNode) and node.flow_style:
        return line
    return max(_last_line(part) for part in node.value)
