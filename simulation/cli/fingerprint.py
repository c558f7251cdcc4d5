"""`society study fingerprint`: what each model of a roster does. Heavy imports are inside the command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.language import Language
from agents.role import ModelRole
from simulation.cli.console import progress_bar, show_study, text_table
from simulation.cli.options import (
    RUNS,
    EndpointsOption,
    JobsOption,
    JsonOption,
    LanguageOption,
    LevelOption,
    MixTiersOption,
    OutOption,
    RequireOption,
    RosterOrFolder,
    SeedOption,
    TierOption,
    settings_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.fingerprint.probes import Conditions
    from simulation.studies.fingerprint.report import FingerprintReport


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society study fingerprint first_contact --tier embedded --episodes 12`")(fingerprint)


def fingerprint(
    roster: RosterOrFolder,
    tier: TierOption = None,
    require: RequireOption = None,
    seed: SeedOption = 0,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes of each probe.")] = 20,
    endpoint: EndpointsOption = None,
    role: Annotated[ModelRole, typer.Option(help="The role all subjects play in.")] = ModelRole.NEUTRAL,
    language: LanguageOption = Language.EN,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="1: a model's own probabilities.")] = 1.0,
    out: OutOption = RUNS,
    jobs: JobsOption = None,
    level: LevelOption = 0.95,
    mix_tiers: MixTiersOption = False,
    json_: JsonOption = False,
) -> None:
    """Measure each model's behavioural fingerprint, and how it differs from its base model and from the others.

    Opening, reaction to the last step, contribution curve, response to punishment, exploitability, whether it does
    what it says: each with its interval. The last line is the folder of runs, fingerprint.json and fingerprint.svg.
    """
    from simulation.runs import run_set
    from simulation.studies.fingerprint.measure import COMMAND, PICTURE, REPORT, read_fingerprints
    from simulation.studies.fingerprint.picture import picture
    from simulation.studies.fingerprint.probes import Conditions

    if Path(roster).is_dir():
        folder = run_set.play(Path(roster), COMMAND, at_once=jobs)
    else:
        settings = settings_of(tier=tier, require=require, seed=seed, episodes=episodes, endpoints=endpoint)
        folder = _play(roster, Conditions(role, language, temperature, settings), out, jobs)
    report = read_fingerprints(folder, level=level, mix_tiers=mix_tiers)
    (folder / PICTURE).write_text(picture(report), encoding="utf-8")
    show_study(folder, REPORT, json_, lambda: report.banner, lambda: [fingerprint_table(report)], _differences(report))


def _play(roster: str, conditions: Conditions, out: Path, jobs: int | None) -> Path:
    from agents.roster import Roster
    from simulation.studies.fingerprint.measure import take_fingerprints
    from simulation.studies.fingerprint.probes import SETUPS, subjects

    loaded = Roster.load(roster)
    with progress_bar(len(subjects(loaded)) * len(SETUPS) * (conditions.settings.episodes or 0)) as progress:
        return take_fingerprints(loaded, conditions, out=out, on_event=progress, at_once=jobs)


def _differences(report: FingerprintReport) -> Iterator[str]:
    for pair in report.pairs:
        cells = f"{len(pair.cells)} cells ({', '.join(pair.cells)})" if pair.cells else "none: not separable"
        yield f"{pair.first} and {pair.second} differ in: {cells}"


def fingerprint_table(report: FingerprintReport) -> Table:
    """One row of two lines per cell, one column per subject; a star marks a difference from the base model."""
    from simulation.studies.fingerprint.cells import CELLS, Cell
    from simulation.studies.fingerprint.picture import differs_from_base, texts

    def shown(name: str, cell: Cell) -> str:
        value, interval = texts(report.figure(name, cell.name))
        return f"{value}{'*' * differs_from_base(report, name, cell.name)}\n{interval}"

    star = [f"* differs from {report.base}, adjusted (Holm) for all comparisons"] if report.base else []
    return text_table(
        "",
        ("cell", *report.subjects),
        ((f"{cell.name}\n  {cell.title}", *(shown(name, cell) for name in report.subjects)) for cell in CELLS),
        notes=star,
    )
