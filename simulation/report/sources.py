"""What a report shows: the runs, studies and trainings in the given folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents.problems import SocietyError

if TYPE_CHECKING:
    from simulation.report.studies import StudySection
    from simulation.studies.fingerprint.report import FingerprintReport
    from simulation.studies.tournament.results import TournamentResult
    from simulation.tables.run import Run
    from simulation.training.tables import Training

FINGERPRINT, TOURNAMENT, SWEEP = "fingerprint.json", "tournament.json", "sweep.json"
_ABOVE = 4  # how far above a run the folder of its set may be


@dataclass(frozen=True)
class Sources:
    """What was found, each kind in the given order."""

    runs: list[Run] = field(default_factory=list)
    fingerprints: list[FingerprintReport] = field(default_factory=list)
    tournaments: list[TournamentResult] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    studies: list[StudySection] = field(default_factory=list)


def find_sources(paths: Sequence[str | Path]) -> Sources:
    """Find what is in `paths`: a study or a training as a whole, a folder of runs run by run.

    With the runs of an effect, a population, an exploit study or a sweep comes its result. With a run come the
    fingerprints or the tournament that it is part of.

    Raises:
        SocietyError: A path has none of these.
    """
    found = Sources()
    for path in map(Path, paths):
        _add(path, found)
    return found


def _add_set_of(path: Path, found: Sources) -> None:
    """Add the fingerprints or the tournament that a run is part of, unless found before or unfinished."""
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


def _studies_in(folder: Path) -> Iterator[StudySection]:
    """Yield the results that a folder keeps, and the means of a sweep."""
    from simulation.report.studies import STORED, section_of, stored_section
    from simulation.studies.sweep import measure_sweep
    from simulation.tables.runs import load_runs

    yield from (stored_section(folder / name) for name in STORED if (folder / name).is_file())
    if (folder / SWEEP).is_file():
        yield section_of(measure_sweep(load_runs(folder)))


def _add(path: Path, found: Sources) -> None:
    from simulation.studies.fingerprint.report import load_report
    from simulation.studies.tournament.results import load_tournament
    from simulation.tables.run import TRAINING, load_run
    from simulation.tables.runs import runs_below

    if (path / TOURNAMENT).exists():
        found.tournaments.append(load_tournament(path))
        return
    if (path / FINGERPRINT).exists():
        found.fingerprints.append(load_report(path / FINGERPRINT))
        return
    if (path / TRAINING).exists():
        from simulation.training.tables import load_training

        found.trainings.append(load_training(path))
        return
    _add_set_of(path, found)
    found.studies.extend(_studies_in(path))
    trainings = sorted(each.parent for each in path.glob(f"*/{TRAINING}"))
    for folder in trainings:
        _add(folder, found)
    folders = list(runs_below(path))
    if not folders and not trainings and not found.studies:
        raise SocietyError(f"{path} has no run, no fingerprint and no tournament; name a run directory: runs/NAME")
    found.runs.extend(load_run(folder) for folder in folders)
