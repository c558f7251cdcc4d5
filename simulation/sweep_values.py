"""A sweep's values: what a scenario's `sweep` key says, and the values of each arm in a played sweep's folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import WithJsonSchema

from agents.findings import Finding, shown

FILE = "sweep.json"
MOST_ARMS = 100_000
_RANGE = re.compile(r"\s*(-?\d{1,18})\s*\.\.\s*(-?\d{1,18})\s*")

Value = str | int | float | bool
"""A swept value as tables show it; a list or mapping as JSON."""
SweptValues = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "array", "minItems": 1}, {"type": "string", "pattern": r"-?\d+\.\.-?\d+"}]})
]


def swept(values: object) -> tuple[object, ...]:
    """Return the values of one key, with ranges (`1..10`, ends included) expanded."""
    found: list[object] = []
    for value in values if isinstance(values, (list, tuple)) else [values]:
        ends = _ends(value)
        found += range(ends[0], ends[1] + 1) if ends else [value]
    return tuple(found)


def _ends(value: object) -> tuple[int, int] | None:
    match = _RANGE.fullmatch(value) if isinstance(value, str) else None
    return (int(match[1]), int(match[2])) if match else None


def sweep_findings(sweep: object) -> Iterator[Finding]:
    """Yield what is wrong in a raw `sweep`, but for values that the scenario itself refuses."""
    if not isinstance(sweep, Mapping):
        return
    found = [finding for key, values in sweep.items() for finding in _key_findings(key, values)]
    yield from found
    arms = 0 if found else prod(len(swept(values)) for values in sweep.values())
    if arms > MOST_ARMS:
        yield Finding(("sweep",), f"has {arms:,} combinations; at most {MOST_ARMS:,} are played")


def _key_findings(key: str, values: object) -> Iterator[Finding]:
    path = ("sweep", key)
    if str(key).split(".", 1)[0] in ("sweep", "name"):
        yield Finding(path, f"{key} cannot be swept")
    if not isinstance(values, (list, tuple)) and _ends(values) is None:
        yield Finding(path, f"{shown(values)} is neither a list nor a range such as 1..10", f"write [{values}]")
        return
    listed = values if isinstance(values, (list, tuple)) else [values]
    if not listed:
        yield Finding(path, "has no value")
    for index, value in enumerate(listed):
        ends = _ends(value)
        place = (*path, index) if isinstance(values, (list, tuple)) else path
        if ends and ends[0] > ends[1]:
            yield Finding(place, f"{shown(value)} counts down", f"write {ends[1]}..{ends[0]}")
        if ends and ends[1] - ends[0] >= MOST_ARMS:
            yield Finding(place, f"{shown(value)} has more than {MOST_ARMS:,} values")
            return
    seen: set[bytes] = set()
    for value in swept(values):
        try:
            text = orjson.dumps(value)
        except orjson.JSONEncodeError:  # half a surrogate pair, or a number beyond 64 bits
            yield Finding(path, f"{shown(value)} is no value that a file can keep")
            return
        if text in seen:
            yield Finding(path, f"the value {text.decode()} is there twice")
            return
        seen.add(text)


def plain(value: object) -> Value:
    """Return a value as tables show it."""
    return value if isinstance(value, (str, int, float, bool)) else orjson.dumps(value).decode()


def written(arms: Mapping[str, Mapping[str, object]]) -> bytes:
    """Return the content of the file with each arm's values."""
    return orjson.dumps({"arms": arms}, option=orjson.OPT_INDENT_2) + b"\n"


def sweep_values(run: Path) -> Mapping[str, Value]:
    """Return the values that a sweep set for one of its runs, by key; empty if the run belongs to no sweep."""
    arm = run.resolve().parent
    return {key: plain(value) for key, value in arms_in(arm.parent).get(arm.name, {}).items()}


@lru_cache(maxsize=64)
def arms_in(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """Return the arms of a sweep's folder, by name; empty if it is no sweep. A sweep's file is written once."""
    try:
        arms: Mapping[str, Mapping[str, object]] = orjson.loads((folder / FILE).read_bytes())["arms"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return arms
