"""`society export`: the tables of runs as files for other programs. Heavy imports are inside the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.yaml_file import display
from simulation.cli.console import load_several
from simulation.cli.options import RunsArgument, fail_usage


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society export runs/team_battle-* --csv tables`")(export)


def export(
    runs: RunsArgument,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for CSV files.")] = None,
    xlsx: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for an Excel workbook.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder for Parquet files.")] = None,
) -> None:
    """Write every table of runs as CSV, Excel or Parquet.

    Tables of several runs are written as one, with the columns run, scenario and seed. In CSV and Excel a text that
    begins like a formula has a ' before it. Each line printed is a file.
    """
    from simulation.tables.export import FileKind, export_tables

    wanted = {FileKind.CSV: csv, FileKind.XLSX: xlsx, FileKind.PARQUET: parquet}
    if not any(wanted.values()):
        fail_usage("say what to write: --csv DIR, --xlsx DIR or --parquet DIR")
    loaded = load_several(runs)
    tables = next(iter(loaded)) if len(loaded) == 1 else loaded
    for kind, folder in wanted.items():
        for path in export_tables(tables, kind, folder) if folder else ():
            typer.echo(display(path))
