"""`society fingerprint`: what each model of a roster does. Heavy imports stand inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.language import Language
from agents.role import ModelRole
from simulation.cli.console import progress_bar, wide_console
from simulation.cli.options import tier_named

if TYPE_CHECKING:
    from rich.table import Table

    from simulation.studies.fingerprint.report import FingerprintReport


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society fingerprint first_contact --tier embedded --episodes 12`")(fingerprint)


def fingerprint(
    roster: Annotated[
        str, typer.Argument(help="A roster file, a shipped one's name, or the folder of fingerprints cut off.")
    ],
    tier: Annotated[
        str | None, typer.Option(help="The only tier to use: camel, http, embedded, simulated; or auto: all of them.")
    ] = None,
    require: Annotated[str | None, typer.Option(help="Stop rather than fall below this tier.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of every draw.")] = 0,
    episodes: Annotated[int, typer.Option(min=2, help="Episodes of each probe.")] = 20,
    endpoint: Annotated[list[str] | None, typer.Option(help="vLLM server URL; may be given more than once.")] = None,
    role: Annotated[ModelRole, typer.Option(help="The role all subjects play in.")] = ModelRole.NEUTRAL,
    language: Annotated[Language, typer.Option(help="Language of prompts and messages.")] = Language.EN,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="1: a model's own probabilities.")] = 1.0,
    out: Annotated[Path, typer.Option(help="Folder for the runs, the report and its picture.")] = Path("runs"),
    at_once: Annotated[int | None, typer.Option(min=1, help="Runs side by side; 4 where servers answer.")] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Confidence level of the intervals.")] = 0.95,
    mix_tiers: Annotated[bool, typer.Option(help="Average over tiers.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure each model's behavioural fingerprint, and how it differs from its base model and from the others.

    Opening, reaction to the last step, contribution curve, response to punishment, exploitability, whether it keeps
    its word: each with its interval. The last line is the folder of runs, fingerprint.json and fingerprint.svg.
    """
    from simulation.runs import run_set
    from simulation.studies.fingerprint.measure import COMMAND, PICTURE, REPORT, read_fingerprints, take_fingerprints
    from simulation.studies.fingerprint.picture import picture

    if Path(roster).is_dir():
        folder = run_set.play(Path(roster), COMMAND, at_once=at_once)
    else:
        from agents.roster import Roster
        from simulation.runs.runner import RunOptions
        from simulation.studies.fingerprint.probes import SETUPS, Conditions, subjects

        only = None if tier == "auto" else tier_named(tier, "--tier")
        options = RunOptions(only, tier_named(require, "--require"), seed, episodes, tuple(endpoint or ()))
        loaded = Roster.load(roster)
        with progress_bar(len(subjects(loaded)) * len(SETUPS) * episodes) as progress:
            conditions = Conditions(role, language, temperature, options)
            folder = take_fingerprints(loaded, conditions, out=out, on_event=progress, at_once=at_once)
    report = read_fingerprints(folder, level=level, mix_tiers=mix_tiers)
    (folder / PICTURE).write_text(picture(report), encoding="utf-8")
    if json_:
        typer.echo((folder / REPORT).read_text(encoding="utf-8"), nl=False)
        return
    wide_console().print(fingerprint_table(report))
    for pair in report.pairs:
        cells = f"{len(pair.cells)} cells ({', '.join(pair.cells)})" if pair.cells else "none: not separable"
        typer.echo(f"{pair.first} and {pair.second} differ in: {cells}")
    typer.echo(str(folder))


def fingerprint_table(report: FingerprintReport) -> Table:
    """One row per cell, one column per subject; a star marks a difference from the base model."""
    from rich.markup import escape
    from rich.table import Table

    from agents.inference.provenance import Tier
    from simulation.studies.fingerprint.cells import CELLS
    from simulation.studies.fingerprint.picture import differs_from_base, texts

    marked = " - SIMULATED, no language model" if Tier.SIMULATED.value in report.tiers else ""
    title = f"{report.origin.roster}: behavioural fingerprints{marked} (seed {report.origin.seed})"
    table = Table(title=escape(title), title_justify="left", caption_justify="left")
    star = [f"* differs from {report.base}, adjusted (Holm) for all comparisons"] if report.base else []
    table.caption = escape("\n".join([f"replies: {', '.join(report.tiers)}", *star, *report.notes]))
    for head in ("cell", f"{report.level:.0%} intervals", *report.subjects):
        table.add_column(escape(head), overflow="fold")
    for cell in CELLS:
        shown = [
            " ".join(texts(report.figure(name, cell.name))) + "*" * differs_from_base(report, name, cell.name)
            for name in report.subjects
        ]
        table.add_row(*map(escape, (cell.name, cell.title, *shown)))
    return table
