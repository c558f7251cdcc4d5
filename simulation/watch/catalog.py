"""What a folder holds, for its home page: runs, studies and trainings, each with its state, tiers and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agents.inference.provenance import Tier
from simulation.store.run_directory import RunStatus, is_held
from simulation.tables.listing import CUT_OFF, run_figures, run_state
from simulation.tables.runs import TRAINING

STUDIES = {
    "tournament.json": ("tournament", "report.json"),
    "asked.json": ("fingerprint", "fingerprint.json"),
    "contest.json": ("exploit", "exploit.json"),
    "sweep.json": ("sweep", ""),
    TRAINING: ("training", ""),
}
"""The file that makes a folder a study -> its kind, and the file with its result."""
SETS = {"effect": "effect.json", "population": "population.json"}
"""The studies that are a folder of arms by its name -> the file with the result."""
_STAMP = re.compile(r"-\d{8}-\d{6}-[0-9a-f]+$")
DEEPEST = 4
"""Folders within folders that are looked into."""


@dataclass(frozen=True)
class CatalogEntry:
    """One run, study or training.

    Attributes:
        path: Its folder below the catalog's, with slashes.
        kind: run, or which study.
        name: The scenario of a run; of a study its folder.
        started: When a run began (ISO 8601), else when its folder was last changed.
        state: running, finished, stopped or cut off.
        tiers: Replies by tier; of a study texts by tier, where its result keeps them.
        simulated: Whether any of them was simulated.
        mode: A run's mode.
        games: A run's games.
        seed: A run's seed.
        episodes: Finished episodes; None where they are not known.
        payoff: A run's mean payoff of an episode and model; None where games, modes or tiers differ, or outcomes are a
            formula over words.
    """

    path: str
    kind: str
    name: str
    started: str
    state: str
    tiers: Mapping[str, int] = field(default_factory=dict)
    simulated: bool = False
    mode: str = ""
    games: str = ""
    seed: int | None = None
    episodes: int | None = None
    payoff: float | None = None


def read_catalog(folder: Path) -> list[CatalogEntry]:
    """Return everything in a folder: what runs first, then the newest first."""
    found = [_entry(place, folder) for place in _places(folder, DEEPEST)]
    newest = sorted(found, key=lambda each: each.started, reverse=True)
    return sorted(newest, key=lambda each: each.state != RunStatus.RUNNING.value)


def _places(folder: Path, deepest: int) -> Iterator[Path]:
    """Yield the folders of runs and studies; not what is inside of one."""
    if _kind(folder):
        yield folder
    elif deepest and folder.is_dir():
        for below in sorted(folder.iterdir()):
            if below.is_dir() and not below.is_symlink() and below.name[0] != ".":
                yield from _places(below, deepest - 1)


def _kind(folder: Path) -> str:
    if (folder / "manifest.json").is_file():
        return "run"
    for file, (kind, _) in STUDIES.items():
        if (folder / file).is_file():
            return kind
    prefix = folder.name.split("-", 1)[0]
    return prefix if prefix in SETS and any(folder.rglob("plan.json")) else ""


def _entry(place: Path, root: Path) -> CatalogEntry:
    kind, path = _kind(place), place.relative_to(root).as_posix()
    if kind == "run":
        return _run(place, path)
    stored = place / SETS.get(kind, next((result for one, result in STUDIES.values() if one == kind), ""))
    result = _json(stored) if stored.is_file() else {}
    counts = result.get("counts") or {}
    tiers = counts.get("texts") or {}
    return CatalogEntry(
        path=path,
        kind=kind,
        name=result.get("title") or _STAMP.sub("", place.name),
        started=_changed(place),
        state=_study_state(place, kind, bool(result)),
        tiers=tiers,
        simulated=Tier.SIMULATED.value in (tiers or result.get("tiers", ())),
        episodes=counts.get("episodes"),
    )


def _study_state(place: Path, kind: str, finished: bool) -> str:
    if finished:
        return RunStatus.FINISHED.value
    manifests = [_json(file) for file in place.rglob("manifest.json")]
    if is_held(place) or any(is_held(file.parent) for file in place.rglob("manifest.json")):
        return RunStatus.RUNNING.value
    if kind in ("sweep", "training") and all(each.get("status") == RunStatus.FINISHED.value for each in manifests):
        return RunStatus.FINISHED.value
    return CUT_OFF


def _run(place: Path, path: str) -> CatalogEntry:
    manifest = _json(place / "manifest.json")
    scenario = manifest.get("scenario") or {}
    state = run_state(place, manifest) if "status" in manifest else "cannot be read"
    figures = run_figures(place, state)
    tiers = manifest.get("tier_mix") or {}
    return CatalogEntry(
        path=path,
        kind="run",
        name=str(scenario.get("name", place.name)),
        started=str(manifest.get("started") or _changed(place)),
        state=state,
        tiers=tiers,
        simulated=Tier.SIMULATED.value in tiers,
        mode=str(scenario.get("mode", "")),
        games=", ".join(dict.fromkeys(str(task.get("task_type")) for task in scenario.get("tasks", ()))),
        seed=manifest.get("seed"),
        episodes=figures.episodes,
        payoff=figures.payoff,
    )


def _json(file: Path) -> dict[str, Any]:
    """Return a JSON file; an empty object where it cannot be read."""
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _changed(place: Path) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(place.stat().st_mtime, timezone.utc).isoformat(timespec="seconds")
