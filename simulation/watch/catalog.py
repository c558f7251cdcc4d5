"""What a folder holds, for its home page: runs, studies and trainings, each with its state, tiers and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from agents.inference.provenance import Tier
from agents.problems import SocietyError
from simulation.store.run_directory import RunStatus, is_held
from simulation.sweep_values import arms_in
from simulation.tables.listing import CUT_OFF, run_figures, run_state
from simulation.tables.run import TRAINING

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
UNREADABLE = "cannot be read"
DEEPEST = 4
"""Folders within folders that are looked into."""


@dataclass(frozen=True)
class CatalogEntry:
    """One run, study or training.

    Attributes:
        path: Its folder below the catalog's, with slashes; empty for the catalog's own folder.
        kind: run, or which study; folder where it cannot be read what it is.
        name: The scenario of a run; of a study its folder.
        started: When a run began (ISO 8601), else when its folder was last changed; empty where it is not known.
        state: running, finished, stopped, cut off or cannot be read.
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
    found = [_entry_or_why_not(place, folder) for place in _places(folder, folder, DEEPEST)]
    newest = sorted(found, key=lambda each: each.started, reverse=True)
    return sorted(newest, key=lambda each: each.state != RunStatus.RUNNING.value)


def _places(folder: Path, root: Path, deepest: int) -> Iterator[Path]:
    """Yield the folders of runs and studies, and what cannot be read; what is inside of one only for the root."""
    try:
        kind = _kind(folder)
        below = _folders_in(folder) if deepest and (not kind or folder == root) else []
    except FileNotFoundError:  # removed meanwhile
        return
    except OSError:
        kind, below = "folder", []
    if kind:
        yield folder
    for each in below:
        yield from _places(each, root, deepest - 1)


def _folders_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.name[0] != "." and each.is_dir() and not each.is_symlink())


def _kind(folder: Path) -> str:
    if (folder / "manifest.json").is_file():
        return "run"
    for file, (kind, _) in STUDIES.items():
        if (folder / file).is_file():
            return kind
    prefix = folder.name.split("-", 1)[0]
    return prefix if prefix in SETS and any(folder.rglob("plan.json")) else ""


def _entry_or_why_not(place: Path, root: Path) -> CatalogEntry:
    path = "" if place == root else place.relative_to(root).as_posix()
    try:
        path.encode()  # a name may be no text
        return _entry(place, path)
    except (OSError, SocietyError, ValueError, KeyError, TypeError, AttributeError):
        shown = path.encode(errors="replace").decode()
        return CatalogEntry(shown, "folder", shown or place.name, "", UNREADABLE)


def _entry(place: Path, path: str) -> CatalogEntry:
    kind = _kind(place)
    if not kind:
        raise SocietyError(f"{place} cannot be listed")
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
    if is_held(place) or any(is_held(file.parent) for file in place.rglob("manifest.json")):
        return RunStatus.RUNNING.value
    over = (kind == "sweep" and _is_swept(place)) or (kind == "training" and _is_trained(place))
    return RunStatus.FINISHED.value if over else CUT_OFF


def _is_swept(place: Path) -> bool:
    """Tell whether every arm of a sweep has its finished run."""
    arms = arms_in(place)
    runs = [file for arm in arms for file in (place / arm).glob("[!.]*/manifest.json")]
    finished = {file.parent.parent.name for file in runs if _json(file).get("status") == RunStatus.FINISHED.value}
    return bool(finished) and len(finished) == len(arms)


def _is_trained(place: Path) -> bool:
    from simulation.training.ledger import LEDGER

    return _all_updates_made(place, (place / LEDGER).stat().st_mtime_ns)


@lru_cache(maxsize=1_000)
def _all_updates_made(place: Path, _changed_at: int) -> bool:
    from simulation.training.ledger import Ledger
    from simulation.training.run import all_updates_made, config_of, read_plan

    return all_updates_made(config_of(read_plan(place)), Ledger(place))


def _run(place: Path, path: str) -> CatalogEntry:
    manifest = _json(place / "manifest.json")
    scenario = manifest.get("scenario") or {}
    state = run_state(place, manifest) if "status" in manifest else UNREADABLE
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
