"""The sides of a comparison: the runs of each, how a scenario's key splits runs into sides, and what they differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from agents.problems import UsageError, nearest
from simulation.sweep_values import plain
from simulation.tables.run import read_manifest
from simulation.tables.runs import Runs, load_runs

if TYPE_CHECKING:
    import pandas as pd

NOT_SET = "(not set)"
_NO_SETTINGS = ("name", "description", "seed", "episodes", "roster")  # the roster's rows are compared, not its name
_ROW = ("model_name", "count", "policy", "role", "team_id", "specialization", "persona")


@dataclass(frozen=True)
class ComparedSide:
    """Runs that are taken together, and their name in the report."""

    name: str
    runs: Runs

    @cached_property
    def settings(self) -> Mapping[Path, Mapping[str, str]]:
        """The settings of each run's scenario and roster, by dotted key."""
        return {path: dict(_settings(read_manifest(path))) for path in self.runs.paths}

    def values(self, key: str) -> frozenset[str]:
        """The values of a key in its runs."""
        return frozenset(each.get(key, NOT_SET) for each in self.settings.values())

    def episodes(self, varying: Sequence[str]) -> pd.DataFrame:
        """One row per model and finished episode.

        `pass` is how often the run had played the task before, `variant` the values of the keys `varying`, and the
        columns of `SIZE` say how large the society is and how much there is to win.
        """
        import pandas as pd

        rows = self.runs.outcomes.astype(dict.fromkeys(("run", "task_id", "task_type", "mode", "tier"), str))
        rows = rows.astype({"model_id": str, "model_name": str}).assign(side=self.name)
        variants = {
            path.as_posix(): "; ".join(f"{key}={values.get(key, NOT_SET)}" for key in varying)
            for path, values in self.settings.items()
        }
        order = rows[["run", "task_id", "episode"]].drop_duplicates().sort_values("episode", kind="stable")
        order["pass"] = order.groupby(["run", "task_id"]).cumcount()
        rows = rows.merge(order, on=["run", "task_id", "episode"], validate="many_to_one")
        planned = [_planned(path, read_manifest(path)) for path in self.runs.paths]
        sizes = pd.DataFrame([row for each in planned for row in each])
        rows = rows.merge(sizes, how="left", on=["run", "task_id"], validate="many_to_one")
        players = rows.groupby(["run", "episode"])["model_id"].transform("nunique")
        return rows.assign(variant=rows["run"].map(variants), players=players)


def _planned(run: Path, manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what each task of a run plans: its steps (with a horizon the mean), and its pool."""
    for task in manifest["scenario"]["tasks"]:
        steps, horizon = task["max_steps"], task.get("horizon")
        if horizon:
            chance = horizon["continue"]
            steps = (1 - chance ** horizon["at_most"]) / (1 - chance)
        size = {"steps": steps, "reward_pool": task["reward_pool"]}
        yield {"run": run.as_posix(), "task_id": task["task_id"], **size}


def _settings(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _flat({key: value for key, value in manifest["scenario"].items() if key not in _NO_SETTINGS})
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


def differing(sides: Sequence[ComparedSide]) -> Mapping[str, tuple[str, ...]]:
    """Every setting that differs between sides: its value on each side, in order."""
    values = {key: tuple(side.values(key) for side in sides) for key in _keys(sides)}
    return {key: tuple(" or ".join(sorted(one)) for one in each) for key, each in values.items() if len(set(each)) > 1}


def varying(sides: Sequence[ComparedSide]) -> tuple[str, ...]:
    """The settings that vary within every side in the same way: twins have the same values of these."""
    values = {key: [side.values(key) for side in sides] for key in _keys(sides)}
    return tuple(key for key, each in values.items() if len(set(each)) == 1 and len(each[0]) > 1)


def _keys(sides: Sequence[ComparedSide]) -> Iterator[str]:
    yield from dict.fromkeys(key for side in sides for values in side.settings.values() for key in values)


def sides_of(places: Sequence[str | Path]) -> tuple[ComparedSide, ...]:
    """One side per run, folder of runs or pattern.

    Raises:
        UsageError: A place is given twice.
    """
    names = [_label(str(place)) for place in places]
    if len(set(names)) < len(names):
        names = [str(place) for place in places]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{double} is given twice: there is nothing to compare it with")
    return tuple(ComparedSide(name, load_runs(place)) for name, place in zip(names, places, strict=True))


def _label(place: str) -> str:
    path = Path(place)
    return path.name or path.resolve().name


def sides_by(places: Sequence[str | Path], key: str) -> tuple[ComparedSide, ...]:
    """One side per value of a dotted key in the runs' scenarios, such as `mode` or `communication.treatment`.

    Raises:
        UsageError: The scenarios have no such key, or all have the same value.
    """
    found: dict[str, list[Path]] = {}
    for path in load_runs(places).paths:
        found.setdefault(_value(read_manifest(path)["scenario"], key), []).append(path)
    if len(found) < 2:
        raise UsageError(f"--by {key}: all runs have the value {next(iter(found))}; there is nothing to compare")
    return tuple(ComparedSide(value, load_runs(paths)) for value, paths in found.items())


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
