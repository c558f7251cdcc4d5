"""Behavioural fingerprints: what each model of a roster does in every situation, and how models differ.

    folder = take_fingerprints(Roster.load("first_contact"), Conditions())
    report = read_fingerprints(folder)

fingerprint-<roster>-<time>-<id>/<subject>/<probe>/<run>   visitor runs (`simulation.studies.fingerprint.probes`)
fingerprint-<roster>-<time>-<id>/fingerprint.json, .svg    the report and its picture

Intervals are clustered by episode. A cell separates two subjects where the interval of their difference excludes 0
and the p-value of a permutation test, adjusted (Holm) for all cells of all pairs, is at most 1 - level.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from agents.file_model import FileModel
from agents.inference.adapter_folder import WEIGHTS_FILE
from agents.inference.embedded.adapters import shipped_adapters
from agents.inference.embedded.model_sources import file_sha256
from agents.inference.embedded.model_store import model_source
from agents.inference.provenance import Tier
from agents.problems import SocietyError
from agents.role import PopulationPart
from agents.roster import ModelConfig, Roster
from simulation.metrics.banner import SourceCounts
from simulation.metrics.behaviour import together, watch
from simulation.metrics.comparable import comparable_rows, tiers
from simulation.metrics.inference import FLIPS, holm, permutation_p_value
from simulation.metrics.intervals import UNIT, cluster_interval, difference, missing_intervals
from simulation.metrics.registry import LEVEL
from simulation.runs import run_set
from simulation.runs.runner import Observer
from simulation.store.files import replace_file
from simulation.studies.fingerprint.cells import CELLS, Cell
from simulation.studies.fingerprint.probes import Conditions, Probe, Subject, probe_plans, subjects
from simulation.studies.fingerprint.report import CellDifference, CellFigure, FingerprintOrigin, FingerprintReport, Pair

if TYPE_CHECKING:
    from simulation.metrics.arrays import Matrix
    from simulation.tables.run import Run

COMMAND = "society study fingerprint"
REPORT, PICTURE, REQUEST = "fingerprint.json", "fingerprint.svg", "asked.json"


class FingerprintRequest(FileModel):
    """Whose fingerprints are taken; the plans of the probes have the rest."""

    roster: Roster
    """The models."""
    seed: int
    """The seed from which the probes' seeds are derived."""


def take_fingerprints(
    roster: Roster,
    conditions: Conditions,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
    at_once: int | None = None,
) -> Path:
    """Play every probe with every subject of a roster; the folder of the runs.

    Args:
        roster: The models.
        conditions: What all subjects have in common.
        out: The folder in which the new folder is made.
        on_event: Called with every event of every run.
        at_once: Runs at a time; by default 4 with a server, else 1.

    Raises:
        InvalidFileError: A probe cannot be played.
        UsageError: There are fewer than 2 episodes.
        SocietyError: A run stopped.
    """
    request = FingerprintRequest(roster=roster, seed=conditions.settings.seed or 0)
    files = {REQUEST: request.model_dump_json(indent=2).encode() + b"\n"}
    folder = run_set.begin("fingerprint", roster.name, probe_plans(roster, conditions), out, files)
    return run_set.play(folder, COMMAND, on_event=on_event, at_once=at_once)


def read_fingerprints(folder: Path, *, level: float = LEVEL, mix_tiers: bool = False) -> FingerprintReport:
    """The report of a folder of `take_fingerprints`; it is also written to fingerprint.json there.

    Args:
        folder: The folder.
        level: Confidence level of the intervals, in (0, 1).
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        SocietyError: A run is missing or unfinished.
        MixedTiersError: Replies came from several tiers.
    """
    request = _read_request(folder)
    runs = run_set.finished_runs(folder, COMMAND)
    known = subjects(request.roster)
    own = [_runs_of(runs, number) for number in range(len(known))]
    found = _tiers(runs.values(), mix_tiers)
    sums = {subject.name: _sums(probes) for subject, probes in zip(known, own, strict=True)}
    figures = tuple(_figure(name, cell, table[cell.name], level) for name, table in sums.items() for cell in CELLS)
    differences = _differences(figures, sums, level)
    report = FingerprintReport(
        origin=_origin(request, known, next(iter(runs.values())), found),
        level=level,
        tiers=found,
        subjects=tuple(subject.name for subject in known),
        base=next((subject.name for subject in known if subject.base), ""),
        figures=figures,
        differences=differences,
        pairs=tuple(_pairs([subject.name for subject in known], differences)),
        notes=(*_notes(found), *missing_intervals(each.interval for each in figures if each.interval)),
        counts=SourceCounts.of_runs(run.path for run in runs.values()),
    )
    replace_file(folder / REPORT, orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2) + b"\n")
    return report


# -- parts ----------------------------------------------------------------------------------------------


def _read_request(folder: Path) -> FingerprintRequest:
    if not (folder / REQUEST).is_file():
        raise SocietyError(f"{folder} has no fingerprints; start with: {COMMAND} ROSTER")
    return FingerprintRequest.model_validate_json((folder / REQUEST).read_bytes())


def _runs_of(runs: Mapping[str, Run], number: int) -> Mapping[Probe, Run]:
    mine = {arm: run for arm, run in runs.items() if arm.startswith(f"{number:02}-")}
    return {Probe(arm.rsplit("/", 1)[-1]): run for arm, run in mine.items()}


def _tiers(runs: Any, mix_tiers: bool) -> tuple[str, ...]:
    """The tiers that answered for all subjects together: subjects are compared, so their tiers must be the same."""
    import pandas as pd

    rows = [run.outcomes.astype({"tier": str, "model_id": str}).merge(_parts(run), on="model_id") for run in runs]
    focal = pd.concat(rows).query(f"part == '{PopulationPart.FOCAL.value}'")
    return tiers(comparable_rows(focal, mix_tiers=mix_tiers))


def _parts(run: Run) -> Any:
    return run.agents[["model_id", "part"]].astype(str)


def _sums(probes: Mapping[Probe, Run]) -> Mapping[str, Matrix]:
    """The sums of every cell, of one subject."""
    frames = {probe: watch(run) for probe, run in probes.items()}
    return {cell.name: cell.sums(together([frames[probe] for probe in cell.probes])) for cell in CELLS}


def _figure(subject: str, cell: Cell, sums: Matrix, level: float) -> CellFigure:
    if not len(sums):
        return CellFigure(subject, cell.name, None, "no data")
    if not np.isfinite(cell.statistic(sums.sum(axis=0, keepdims=True))[0]):
        return CellFigure(subject, cell.name, None, "too few cases")
    bounds = UNIT if cell.share else None
    return CellFigure(subject, cell.name, cluster_interval(cell.statistic, sums, bounds=bounds, level=level))


def _differences(
    figures: Sequence[CellFigure], sums: Mapping[str, Mapping[str, Matrix]], level: float
) -> tuple[CellDifference, ...]:
    """The difference of every pair of subjects in every cell in which both have a figure."""
    known = {(each.subject, each.cell): each.interval for each in figures if each.interval is not None}
    compared = [
        (first, second, cell)
        for first, second in itertools.combinations(sums, 2)
        for cell in CELLS
        if (first, cell.name) in known and (second, cell.name) in known
    ]
    # an adjusted p-value can be small only if a plain one can be that number of comparisons smaller
    permutations = max(FLIPS, round(4 * len(compared) / (1 - level)))
    found = []
    for first, second, cell in compared:
        interval = difference(known[first, cell.name], known[second, cell.name])
        one, other = sums[first][cell.name], sums[second][cell.name]
        p = permutation_p_value(cell.statistic, one, other, permutations=permutations)
        found.append(CellDifference(first, second, cell.name, interval, p, p))
    adjusted = holm([each.p_value for each in found])
    return tuple(replace(each, p_adjusted=p) for each, p in zip(found, adjusted, strict=True))


def _pairs(names: Sequence[str], differences: Sequence[CellDifference]) -> Iterator[Pair]:
    for first, second in itertools.combinations(names, 2):
        mine = (each for each in differences if (each.first, each.second) == (first, second))
        yield Pair(first, second, tuple(each.cell for each in mine if each.separates))


def _origin(request: FingerprintRequest, known: Sequence[Subject], run: Run, found: Sequence[str]) -> FingerprintOrigin:
    scenario = run.manifest["scenario"]
    focal = next(row for row in run.roster.models if row.part is PopulationPart.FOCAL)
    return FingerprintOrigin(
        roster=request.roster.name,
        seed=request.seed,
        episodes=int(scenario["episodes"]),
        role=focal.role.value,
        language=scenario["language"],
        temperature=float(scenario["inference"]["temperature"]),
        versions=run.manifest["versions"],
        weights={subject.name: _weights(subject.row, Tier.EMBEDDED.value in found) for subject in known},
    )


def _weights(row: ModelConfig, embedded: bool) -> str:
    """Which weights answered, as far as this process knows."""
    if row.policy:
        return "scripted"
    if not embedded:
        return "not in this process"
    folder = Path(row.adapter) if row.adapter else shipped_adapters().get(row.model_name or "")
    if folder is not None:
        return f"sha256:{file_sha256(folder / WEIGHTS_FILE)}"
    source = model_source()
    return f"{source.model} from {source.source} {source.revision}" if source else "unknown"


def _notes(found: Sequence[str]) -> Iterator[str]:
    if Tier.SIMULATED.value in found:
        yield "SIMULATED replies follow a policy of the role: these are not the adapters' fingerprints"
