"""`society view`: the home page of a folder of runs. Heavy imports are inside the command."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from agents.problems import SocietyError
from simulation.cli.options import RUNS, refuse_missing_runs
from simulation.cli.watch import TerminalOption, is_watched, until_stopped, watch_one


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(epilog="Example: `society view runs --open`")(view)


def view(
    folder: Annotated[
        Path, typer.Argument(help="A folder of runs and studies; or a run or a training, to watch it while it goes on.")
    ] = RUNS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 for the page; 0 is any free one.")] = 0,
    terminal: TerminalOption = False,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Open one local page of all runs; watch live ones.

    On the page of a folder you search, sort, open and compare runs and studies; on the page of a run or a training you
    watch it while another process plays it. It changes nothing. The page's address has a token: everyone with it can
    read the page.
    """
    refuse_missing_runs(folder)  # another name may be of a run that is to begin
    if terminal or is_watched(folder):
        watch_one(folder, port, terminal=terminal, open_=open_)
        return
    if not folder.is_dir():
        raise SocietyError(f"{folder} is no folder; name the folder of your runs: society view FOLDER")
    asyncio.run(_page(folder.absolute(), port, open_))


async def _page(folder: Path, port: int, open_: bool) -> None:
    from simulation.watch.home import HomePage

    async with HomePage(folder, report_page, comparison_page).serve(port) as address:
        typer.echo(address)
        if open_:
            typer.launch(address)
        await until_stopped()


def report_page(places: Sequence[Path], home: str) -> str:
    """Return the report of runs or studies as a page that links back."""
    from simulation.report.page import render
    from simulation.report.sources import find_sources

    return render(find_sources(places), home=home)


def comparison_page(places: Sequence[Path], home: str) -> str:
    """Return the comparison of runs as a page that links back."""
    from simulation.report.page import render
    from simulation.report.sources import Sources
    from simulation.report.studies import section_of
    from simulation.studies.compare.report import compare_runs

    return render(Sources(studies=[section_of(compare_runs(*places))]), home=home)
