"""Mistakes in data that a user wrote, named by key path; a file adds the line and makes each a `Problem`.

Rules are generators of findings over raw data (mappings as YAML or JSON gives them); they ignore anything else that is
wrong there. A model's validator runs the same rules through `refuse`, so each rule is written once, whether the data
come from a file or from Python.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from agents.problems import nearest

KeyPath = tuple[str | int, ...]
RawMapping = Mapping[str, Any]
Rules = Callable[[RawMapping], Iterable["Finding"]]
AnyModel = TypeVar("AnyModel", bound=BaseModel)

MAX_FIELD_ERRORS = 200
"""Maximum number of field errors reported for one file; it also bounds the time that a file of unknown keys takes."""
REMOVED: Mapping[str, str] = {
    "inference.hedge": "hedged calls were removed; leave the key out",
    "inference.endpoints.weight": "weights were removed, servers share the calls evenly; leave the key out",
    "inference.balancing=power_of_two": "power_of_two was removed; use least_pending",
}
"""Keys, and values (`key=value`), that older files may have: why this version refuses them, and what to do."""
_FINDINGS = "findings"
_A_SLIP = 0.8  # so near to a known key, an unknown one is that key misspelt
_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = 80


@dataclass(frozen=True)
class Finding:
    """One mistake at one key path."""

    path: KeyPath
    message: str
    suggestion: str = ""

    def under(self, *prefix: str | int) -> Finding:
        """Return the same mistake with the path of an enclosing mapping in front."""
        return replace(self, path=prefix + self.path)

    def __str__(self) -> str:
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{dotted(self.path)}: {self.message}{hint}".removeprefix(": ")


def dotted(path: KeyPath) -> str:
    """Return a key path with dots between its parts."""
    return ".".join(map(str, path))


def shown(value: object) -> str:
    """Return a bad value as text for a message, shortened."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = _repr.repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def refuse(findings: Iterable[Finding]) -> None:
    """Raise every finding as one error of a pydantic validator, which `examine` takes apart again; none if none."""
    found = tuple(findings)
    if found:
        text = "; ".join(map(str, found))
        raise PydanticCustomError(_FINDINGS, "{text}", {"text": text, _FINDINGS: found})


def examine(
    model: type[AnyModel], data: RawMapping, rules: Rules | None = None
) -> tuple[AnyModel | None, list[Finding]]:
    """Check raw data against a model and its rules.

    Args:
        model: The pydantic model.
        data: The raw mapping.
        rules: Checks beyond the types of fields.

    Returns:
        The model, or None where anything is wrong, and every finding once.
    """
    found = list(rules(data)) if rules else []
    valid = None
    try:
        valid = model.model_validate(data)
    except ValidationError as error:
        found += explain(error, model, data)
    return (None if found else valid), list(dict.fromkeys(found))


def explain(error: ValidationError, model: type[BaseModel], data: object) -> list[Finding]:
    """Return a pydantic error as findings in plain words, with the bad value and the nearest valid one.

    A missing key is not reported where a misspelt key was meant for it.
    """
    details = error.errors(include_url=False)[:MAX_FIELD_ERRORS]
    meant = {
        (*path[:-1], known)
        for path in (_path(detail, data) for detail in details if detail["type"] == "extra_forbidden")
        for known in meant_keys(path[-1:], known_keys(model, path[:-1]))
    }
    findings = (finding for detail in details for finding in _findings(detail, model, data))
    return [finding for finding in findings if finding.path not in meant]


def meant_keys(data: Iterable[object], known: Iterable[str]) -> set[str]:
    """Return those of the `known` keys that misspelt keys in the mapping `data` were meant for."""
    names = sorted(known)
    unknown = [str(key) for key in data if key not in names][:MAX_FIELD_ERRORS]
    return {match for key in unknown for match in difflib.get_close_matches(key, names, n=1, cutoff=0.5)}


def known_keys(model: type[BaseModel], path: KeyPath) -> tuple[str, ...]:
    """Return the keys a file may use in the mapping at `path` of a `model`."""
    return tuple(name for kind in _kinds(model, path) for name, _ in _fields(kind))


def _kinds(model: type[BaseModel], path: KeyPath) -> set[type[BaseModel]]:
    """Return the pydantic models of the mapping at `path`: several, where it may be one of several."""
    here = {model}
    for part in path:
        if isinstance(part, str):
            fields = [field for kind in here for name, field in _fields(kind) if name == part]
            here = {kind for field in fields for kind in models_in(field)}
    return here


def _key_hint(key: str, model: type[BaseModel], path: KeyPath, data: object) -> str:
    """Return what an unknown `key` in the mapping at `path` was meant for: a key there, or one a level below."""
    known = known_keys(model, path)
    below = [name for name in known if key in known_keys(model, (*path, name))]
    for part in path:
        data = data[part]  # type: ignore[index]
    below += [place for kind in _kinds(model, path) if (place := getattr(kind, "place_of", _nowhere)(key, data))]
    misspelt = difflib.get_close_matches(key, known, n=1, cutoff=_A_SLIP)
    return f"it belongs under {' or '.join(below)}" if below and not misspelt else nearest(key, known)


def _nowhere(_key: str, _data: object) -> str:
    """Return where a model without an answer of its own wants a key that it does not know."""
    return ""


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def models_in(annotation: object) -> set[type[BaseModel]]:
    """Return the pydantic models that a field's annotation names, those within lists and unions included."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in get_args(annotation) for model in models_in(part)}


def _path(detail: ErrorDetails, data: object) -> KeyPath:
    """An error's place without the names pydantic gives to the members of a union."""
    loc, here = detail["loc"], data
    path: list[str | int] = []
    for part in loc:
        in_list = isinstance(here, (list, tuple)) and isinstance(part, int) and part < len(here)
        if in_list or (isinstance(here, Mapping) and part in here):
            path.append(part)
            here = here[part]  # type: ignore[index]
    absent = detail["type"] == "missing" and isinstance(loc[-1], str)
    return (*path, loc[-1]) if absent else tuple(path)


def _findings(detail: ErrorDetails, model: type[BaseModel], data: object) -> Iterator[Finding]:
    path, context, kind = _path(detail, data), detail.get("ctx", {}), detail["type"]
    if kind == "too_short" and len(detail["input"]) >= context["min_length"]:
        return  # pydantic counts only the valid entries; each of the others has a finding of its own
    if kind == _FINDINGS:
        yield from (finding.under(*path) for finding in context[_FINDINGS])
    elif kind == "extra_forbidden":
        hint = REMOVED.get(_in_lists(path)) or _key_hint(str(path[-1]), model, path[:-1], data)
        yield Finding(path, f"unknown key {shown(path[-1])}", hint)
    elif kind == "missing" and not isinstance(detail["loc"][-1], str):
        yield Finding(path, f"{shown(detail['input'])} has too few entries")
    else:
        message = _WORDING.get(kind, "{value}: {pydantic}")
        words = {
            **{key: _limit(value) for key, value in context.items()},
            "value": shown(detail["input"]),
            "pydantic": detail["msg"],
        }
        hint = REMOVED.get(f"{_in_lists(path)}={detail['input']}") or _suggestion(detail)
        yield Finding(path, message.format(**words), hint)


def _in_lists(path: KeyPath) -> str:
    """A dotted path without the numbers of list entries."""
    return dotted(tuple(part for part in path if isinstance(part, str)))


def _limit(value: object) -> object:
    """Return a limit as a message shows it: no needless decimals, and a large integer in full."""
    return f"{value:g}" if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**6) else value


def _suggestion(detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in ("enum", "literal_error"):
        return nearest(value, re.findall(r"'([^']*)'", str(context["expected"])))
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    limits = [context[limit] for limit in ("ge", "le") if limit in context]
    return f"nearest valid: {_limit(limits[0])}" if limits else ""


_WORDING: Mapping[str, str] = {
    "missing": "is missing",
    "enum": "{value} is not known",
    "literal_error": "{value} is not known",
    "string_type": "{value} is not text",
    "string_too_short": "is empty",
    "string_too_long": "{value} is longer than {max_length} characters",
    "int_type": "{value} is not a whole number",
    "int_from_float": "{value} is not a whole number",
    "int_parsing": "{value} is not a whole number",
    "float_parsing": "{value} is not a number",
    "bool_parsing": "{value} is neither true nor false",
    "float_type": "{value} is not a number",
    "finite_number": "{value} is not a finite number",
    "bool_type": "{value} is neither true nor false",
    "greater_than": "{value} is not above {gt}",
    "greater_than_equal": "{value} is below {ge}",
    "less_than": "{value} is not below {lt}",
    "less_than_equal": "{value} is above {le}",
    "too_short": "{value} has {actual_length} entries and needs at least {min_length}",
    "too_long": "{value} has {actual_length} entries and may have {max_length} at most",
    "tuple_type": "{value} is not a list",
    "list_type": "{value} is not a list",
    "mapping_type": "{value} is not a mapping of keys to values",
    "dict_type": "{value} is not a mapping of keys to values",
    "model_type": "{value} is not a mapping of keys to values",
    "model_attributes_type": "{value} is not a mapping of keys to values",
    "value_error": "{value}: {error}",
}
