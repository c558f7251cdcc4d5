"""What a sweep set in each of its arms, as its folder tells: read by who plays the sweep and by who loads its runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import orjson

FILE = "sweep.json"
Value = str | int | float | bool
"""A swept value; a list or mapping stands as its JSON."""


def plain(value: object) -> Value:
    """A value as it stands in a table."""
    return value if isinstance(value, (str, int, float, bool)) else orjson.dumps(value).decode()


def written(arms: Mapping[str, Mapping[str, object]]) -> bytes:
    """The file that tells each arm's values."""
    return orjson.dumps({"arms": arms}, option=orjson.OPT_INDENT_2) + b"\n"


def sweep_values(run: Path) -> Mapping[str, Value]:
    """What the sweep a run belongs to set for it, by key; nothing where it belongs to none."""
    arm = run.resolve().parent
    return {key: plain(value) for key, value in _arms(arm.parent).get(arm.name, {}).items()}


@lru_cache(maxsize=64)
def _arms(folder: Path) -> Mapping[str, Mapping[str, object]]:
    """The arms of a sweep's folder; none where it is no sweep's. A sweep's file is written once."""
    try:
        arms: Mapping[str, Mapping[str, object]] = orjson.loads((folder / FILE).read_bytes())["arms"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return arms
