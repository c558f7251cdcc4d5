"""What a report is made of: the runs, fingerprints and tournaments that lie in the folders it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents.problems import SocietyError

if TYPE_CHECKING:
    from simulation.studies.fingerprint.report import FingerprintReport
    from simulation.studies.tournament.results import TournamentResult
    from simulation.tables.run import Run

FINGERPRINT, TOURNAMENT = "fingerprint.json", "tournament.json"
_ABOVE = 4  # how far above a run the folder of its set may lie


@dataclass(frozen=True)
class Sources:
    """Each kind in the order it was named."""

    runs: list[Run] = field(default_factory=list)
    fingerprints: list[FingerprintReport] = field(default_factory=list)
    tournaments: list[TournamentResult] = field(default_factory=list)


def find_sources(paths: Sequence[str | Path]) -> Sources:
    """What lies in `paths`: a folder of fingerprints or a tournament's is taken whole, a folder of runs run by run.

    A run brings along the fingerprints or the tournament that it is part of.

    Raises SocietyError where a path holds none of these.
    """
    found = Sources()
    for path in map(Path, paths):
        _add(path, found)
    return found


def _add_beside(path: Path, found: Sources) -> None:
    """The fingerprints or the tournament that a run is part of, unless they are there already or unfinished."""
    from simulation.studies.fingerprint.report import load_report
    from simulation.studies.tournament.results import REPORT, load_tournament

    for folder in path.resolve().parents[:_ABOVE]:
        if (folder / TOURNAMENT).exists() and (folder / REPORT).exists():
            if folder not in [each.path.resolve() for each in found.tournaments]:
                found.tournaments.append(load_tournament(folder))
        elif (folder / FINGERPRINT).exists():
            report = load_report(folder / FINGERPRINT)
            if report not in found.fingerprints:
                found.fingerprints.append(report)


def _add(path: Path, found: Sources) -> None:
    from simulation.studies.fingerprint.report import load_report
    from simulation.studies.tournament.results import load_tournament
    from simulation.tables.run import load_run
    from simulation.tables.runs import runs_below

    if (path / TOURNAMENT).exists():
        found.tournaments.append(load_tournament(path))
        return
    if (path / FINGERPRINT).exists():
        found.fingerprints.append(load_report(path / FINGERPRINT))
        return
    _add_beside(path, found)
    folders = list(runs_below(path))
    if not folders:
        raise SocietyError(f"{path} holds no run, no fingerprint and no tournament; name a run directory: runs/NAME")
    found.runs.extend(load_run(folder) for folder in folders)
