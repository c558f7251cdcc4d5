"""The sides of a comparison: which runs each holds, how they are split by a scenario's key, and what they differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.problems import UsageError, nearest
from simulation.outcomes import read_manifest
from simulation.runs import Runs, load_runs
from simulation.sweep_values import plain

if TYPE_CHECKING:
    import pandas as pd

_OF_NO_WEIGHT = ("name", "description", "seed", "episodes", "roster")  # the roster's rows stand for its name
_ROW = ("model_name", "policy", "role", "team_id", "specialization", "persona")


@dataclass(frozen=True)
class Side:
    """Runs that are taken together; `name` is what the report calls them."""

    name: str
    runs: Runs

    def episodes(self) -> pd.DataFrame:
        """One row per model and finished episode, with `pass`: how many times its run had played the task before."""
        rows = self.runs.outcomes.astype(dict.fromkeys(("run", "task_id", "task_type", "mode", "tier"), str))
        rows = rows.astype({"model_id": str, "model_name": str}).assign(side=self.name)
        order = rows[["run", "task_id", "episode"]].drop_duplicates().sort_values("episode", kind="stable")
        order["pass"] = order.groupby(["run", "task_id"]).cumcount()
        return rows.merge(order, on=["run", "task_id", "episode"], validate="many_to_one")

    def settings(self) -> Mapping[str, frozenset[str]]:
        """Everything its runs' scenarios and rosters say, by dotted key: the values there are."""
        found: dict[str, set[str]] = {}
        for path in self.runs.paths:
            for key, value in _settings(read_manifest(path)):
                found.setdefault(key, set()).add(value)
        return {key: frozenset(values) for key, values in found.items()}


def _settings(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _flat({key: value for key, value in manifest["scenario"].items() if key not in _OF_NO_WEIGHT})
    yield "roster.base_model", str(manifest["roster"].get("base_model"))
    for row in manifest["roster"]["models"]:
        yield from _flat({name: row.get(name) for name in _ROW}, f"roster.{row['model_id']}.")


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, each in value.items():
        if isinstance(each, Mapping):
            yield from _flat(each, f"{prefix}{key}.")
        elif isinstance(each, list) and each and all(isinstance(one, Mapping) for one in each):
            for number, one in enumerate(each):
                yield from _flat(one, f"{prefix}{key}.{number}.")
        else:
            yield f"{prefix}{key}", each if isinstance(each, str) else orjson.dumps(each).decode()


def differing(sides: Sequence[Side]) -> Mapping[str, tuple[str, ...]]:
    """What the sides were set to, side by side, for every setting that is not the same in all runs."""
    told = [side.settings() for side in sides]
    keys = dict.fromkeys(key for each in told for key in each)
    values = {key: [each.get(key, frozenset(("(not set)",))) for each in told] for key in keys}
    return {
        key: tuple(" or ".join(sorted(one)) for one in each)
        for key, each in values.items()
        if len(set(each)) > 1 or len(each[0]) > 1
    }


def sides_of(places: Sequence[str | Path]) -> tuple[Side, ...]:
    """A side for each run, folder of runs or pattern."""
    names = [_label(str(place)) for place in places]
    if len(set(names)) < len(names):
        names = [str(place) for place in places]
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{again} is given twice: there is nothing to compare it with")
    return tuple(Side(name, load_runs(place)) for name, place in zip(names, places, strict=True))


def _label(place: str) -> str:
    path = Path(place)
    return path.name or path.resolve().name


def sides_by(places: Sequence[str | Path], key: str) -> tuple[Side, ...]:
    """A side for each value that the runs' scenarios have at a dotted key: `mode`, `communication.treatment`."""
    found: dict[str, list[Path]] = {}
    for path in load_runs(places).paths:
        found.setdefault(_value(read_manifest(path)["scenario"], key), []).append(path)
    if len(found) < 2:
        raise UsageError(f"--by {key}: all runs have the value {next(iter(found))}; there is nothing to compare")
    return tuple(Side(value, load_runs(paths)) for value, paths in found.items())


def _value(scenario: Mapping[str, Any], key: str) -> str:
    here: Any = scenario
    for part in key.split("."):
        known = list(here) if isinstance(here, Mapping) else [str(n) for n in range(len(here))] if _list(here) else []
        if part not in known:
            raise UsageError(
                f"--by {key}: a scenario has no such key ({nearest(part, known) if known else 'too deep'})"
            )
        here = here[int(part)] if _list(here) else here[part]
    return str(plain(here))


def _list(value: object) -> bool:
    return isinstance(value, list)
