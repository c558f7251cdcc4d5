"""`list_runs`: a line per run, or per set of runs, in a folder. It reads manifests and one column, no events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from agents.problems import SocietyError, UsageError
from simulation.store.log import EventLog
from simulation.store.run_directory import RunStatus, is_held
from simulation.tables.columns import TableName
from simulation.tables.parquet import stored_file
from simulation.tables.run import Run
from simulation.tables.runs import runs_below

CUT_OFF = "cut off"
MOST_BYTES = 50_000_000
"""A list reads no larger file."""
_ALIKE = ("task_type", "mode", "tier", "synthetic")


@dataclass(frozen=True)
class RunFigures:
    """What a list says of a finished run's outcomes.

    Attributes:
        episodes: Finished episodes; None where they are not known.
        payoff: Mean payoff of a model in an episode; None where games, modes or tiers differ.
        played: Its game, mode and tier, where it has a payoff: only payoffs of the same are averaged.
    """

    episodes: int | None = None
    payoff: float | None = None
    played: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListedRun:
    """What a list says of a run, or of all runs of a set together.

    Attributes:
        path: Its directory, or the set's folder.
        scenario: The scenario's name.
        started: When the first run of it began, as ISO 8601.
        state: finished, running, stopped or cut off; of several runs, how many are in each state.
        tiers: Where the replies came from.
        payoff: Mean payoff of a model in an episode; None where `run_figures` has none, and where runs of a set differ
            in game, mode or tier or are not all finished.
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
    figures = [run_figures(each.path, each.state) for each in lines]
    payoffs = [each.payoff for each in figures if each.payoff is not None]
    alike = len(payoffs) == len(lines) and len({each.played for each in figures}) == 1
    states = [each.state for each in lines]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return ListedRun(
        place,
        ", ".join(dict.fromkeys(each.scenario for each in lines)),
        min(each.started for each in lines),
        counts if len(set(states)) > 1 else states[0],
        tuple(dict.fromkeys(tier for each in lines for tier in each.tiers)),
        sum(payoffs) / len(payoffs) if alike else None,
        len(lines),
    )


def _run(path: Path) -> ListedRun:
    try:
        manifest = orjson.loads((path / "manifest.json").read_bytes())
        scenario, tiers = str(manifest["scenario"]["name"]), tuple(map(str, manifest.get("tier_mix") or ()))
        state = run_state(path, manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return ListedRun(path, "?", "", f"manifest.json cannot be read: {type(error).__name__}", (), None)
    return ListedRun(path, scenario, str(manifest.get("started", "")), state, tiers, run_figures(path, state).payoff)


def run_state(path: Path, manifest: Mapping[str, Any]) -> str:
    """Return the state of a run: finished, stopped, running, or cut off where no process plays it."""
    state = str(manifest["status"])
    return CUT_OFF if state == RunStatus.RUNNING.value and not is_held(path) else state


def run_figures(path: Path, state: str) -> RunFigures:
    """Return a run's finished episodes and its mean payoff of a model in an episode.

    There is no payoff where games, modes or tiers differ, or where outcomes are a formula over words: these are never
    averaged. There is neither before the run is finished.
    """
    outcomes = stored_file(path, TableName.OUTCOMES)
    source = outcomes if outcomes.is_file() else path / EventLog.NAME
    if state != RunStatus.FINISHED.value or not source.is_file() or source.stat().st_size > MOST_BYTES:
        return RunFigures()
    return _figures(path, source == outcomes, source.stat().st_mtime_ns)


@lru_cache(maxsize=10_000)
def _figures(path: Path, stored: bool, _changed_at: int) -> RunFigures:
    """Read the figures, of a run without stored tables from its events; a file that changed is read again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ["episode", *_ALIKE, "payoff"]
    try:
        if stored:
            rows = pq.ParquetFile(stored_file(path, TableName.OUTCOMES)).read(names).to_pandas()
        else:
            rows = Run(path).outcomes[names]
    except (pa.ArrowException, OSError, KeyError, SocietyError):  # damaged
        return RunFigures()
    episodes, parts = int(rows["episode"].nunique()), rows[list(_ALIKE)].drop_duplicates()
    if len(parts) != 1 or rows["synthetic"].any():
        return RunFigures(episodes)
    return RunFigures(episodes, float(rows["payoff"].mean()), tuple(str(each) for each in parts.iloc[0]))
