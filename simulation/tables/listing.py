"""`list_runs`: a line per run, or per set of runs, in a folder. It reads manifests and one column, no events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from agents.problems import UsageError
from simulation.store.run_directory import RunStatus, is_held
from simulation.tables.columns import TableName
from simulation.tables.parquet import stored_file
from simulation.tables.runs import runs_below

CUT_OFF = "cut off"


@dataclass(frozen=True)
class ListedRun:
    """What a list says of a run, or of all runs of a set together.

    Attributes:
        path: Its directory, or the set's folder.
        scenario: The scenario's name.
        started: When the first run of it began, as ISO 8601.
        state: finished, running, stopped or cut off; of several runs, how many are in each state.
        tiers: Where the replies came from.
        payoff: Mean payoff of a model in an episode; None before an episode is finished.
        runs: The number of runs.
    """

    path: Path
    scenario: str
    started: str
    state: str
    tiers: tuple[str, ...]
    payoff: float | None
    runs: int = 1


def list_runs(folder: Path) -> list[ListedRun]:
    """Return the runs below a folder, newest first; runs in a subfolder, such as a sweep's, are one line.

    Raises:
        SocietyError: The folder cannot be listed.
    """
    parts = groupby(runs_below(folder), key=lambda path: path.relative_to(folder).parts[:1])
    found = [_listed(folder.joinpath(*part), list(paths)) for part, paths in parts]
    return sorted(found, key=lambda each: each.started, reverse=True)


def newest_run(folder: Path) -> Path:
    """Return the run directory that `folder` is, or the newest in it; runs of sets count where there are no others.

    Raises:
        UsageError: There is none.
    """
    every = list(runs_below(folder))
    found = [path for path in every if path.parent == folder] or every
    if not found:
        raise UsageError(f"{folder} holds no run; play one with: society run first_contact")
    return max(found, key=lambda each: (each / "manifest.json").stat().st_mtime)


def _listed(place: Path, paths: Sequence[Path]) -> ListedRun:
    lines = [_run(path) for path in paths]
    if paths[0] == place:
        return lines[0]
    payoffs = [each.payoff for each in lines if each.payoff is not None]
    states = [each.state for each in lines]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return ListedRun(
        place,
        ", ".join(dict.fromkeys(each.scenario for each in lines)),
        min(each.started for each in lines),
        counts if len(set(states)) > 1 else states[0],
        tuple(dict.fromkeys(tier for each in lines for tier in each.tiers)),
        sum(payoffs) / len(payoffs) if payoffs else None,
        len(lines),
    )


def _run(path: Path) -> ListedRun:
    try:
        manifest = orjson.loads((path / "manifest.json").read_bytes())
        scenario, tiers = str(manifest["scenario"]["name"]), tuple(map(str, manifest.get("tier_mix") or ()))
        state = str(manifest["status"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return ListedRun(path, "?", "", f"manifest.json cannot be read: {type(error).__name__}", (), None)
    if state == RunStatus.RUNNING.value and not is_held(path):
        state = CUT_OFF
    return ListedRun(path, scenario, str(manifest.get("started", "")), state, tiers, _mean(_payoffs(path)))


def _payoffs(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        yield from pq.read_table(stored_file(path, TableName.OUTCOMES), columns=["payoff"])["payoff"].to_pylist()
    except (OSError, pa.ArrowException):  # not finished, or damaged
        return


def _mean(values: Iterator[float]) -> float | None:
    known = list(values)
    return sum(known) / len(known) if known else None
