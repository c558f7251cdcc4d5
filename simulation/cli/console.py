"""What every command prints with: the console, tables, the progress bar, a run's outcomes, an error."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from agents.sanitize import sanitize, sanitize_lines
from agents.yaml_file import display
from simulation.cli import logs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from simulation.metrics.banner import StudyBanner
    from simulation.metrics.registry import Interval
    from simulation.plan import Plan
    from simulation.tables.run import Run
    from simulation.tables.runs import Runs

FIGURE_HEADS = {
    "cooperation_score": "cooperation",
    "payoff": "payoff per model",
    "reward_earned": "reward",
    "gini": "Gini",
}
"""How tables name the figures of outcomes whose column has another name."""


def progress_bar(episodes: int, plan: Plan | None = None) -> Any:
    """A progress bar over so many episodes, of a plan; it shows nothing where the log is JSON."""
    from rich.console import Console

    from simulation.monitor.progress import LiveProgress

    console = Console(stderr=True, quiet=True, force_terminal=False) if logs.are_json() else stderr()
    return LiveProgress(console, episodes, plan)


def show(finished: Run, as_json: bool) -> None:
    """Print a run's outcomes, the calls that failed and what the run answers; the last line is its directory."""
    from simulation.metrics.replies import reply_shares

    shares = reply_shares(finished)
    if as_json:
        outcomes = json.loads(finished.outcomes.to_json(orient="records"))
        body = {"run": display(finished.path), "tier_mix": finished.manifest["tier_mix"], "outcomes": outcomes}
        typer.echo(json.dumps(body | {"replies": [asdict(each) for each in shares]}))
        return
    from simulation.monitor.failed_calls import failed_call_lines
    from simulation.monitor.outcomes import notices_of, outcome_tables

    console = wide_console()
    for notice in notices_of(finished):
        console.print(notice, style="bold yellow", highlight=False, markup=False)
    for table in outcome_tables(finished, shares):
        console.print(table)
    for line in failed_call_lines(finished.calls):
        typer.echo(sanitize_lines(line), err=True)
    show_answer(finished, console)
    typer.echo(display(finished.path))


def show_answer(run: Run, console: Console) -> None:
    """Print the answer block of a run."""
    from simulation.answer.answer import answer_of
    from simulation.answer.render import WIDTH, block_text
    from simulation.answer.words import block_of

    console.print()
    console.print(block_text(block_of(answer_of(run)), min(console.width, WIDTH)))


def load_several(paths: Sequence[str]) -> Runs:
    """Load runs from directories, folders and patterns; those that are left out are named on stderr.

    A run that is not finished is left out, unless every path is a run's own directory.

    Raises:
        SocietyError: No run is left.
    """
    from simulation.tables.runs import load_runs

    named = all((Path(path) / "manifest.json").exists() for path in paths)
    with skipped_runs_on_stderr():
        return load_runs(paths, unfinished=named)


@contextmanager
def skipped_runs_on_stderr() -> Iterator[None]:
    """Print on stderr which runs are left out in the block."""
    from simulation.tables.runs import SkippedRunsWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SkippedRunsWarning)
        yield
    for each in caught:
        stderr().print(str(each.message), markup=False, highlight=False, soft_wrap=True)


def show_study(
    folder: Path,
    report: str,
    as_json: bool,
    banner: Callable[[], StudyBanner],
    tables: Callable[[], Iterable[Table]],
    lines: Iterable[str] = (),
) -> None:
    """Print a study: its report file as it is, or its banner, tables and lines with the folder as the last line.

    Args:
        folder: The study's folder.
        report: The name of its report file, JSON.
        as_json: Print the file, nothing else.
        banner: Returns what stands above the tables.
        tables: Makes the tables.
        lines: Printed below the tables.
    """
    if as_json:
        typer.echo((folder / report).read_text(encoding="utf-8"), nl=False)
        return
    print_result(banner(), tables(), (*lines, str(folder)))


def print_result(banner: StudyBanner, tables: Iterable[Table], lines: Iterable[str] = ()) -> None:
    """Print a study's banner, then its tables, then lines."""
    from rich.text import Text

    from simulation.metrics.banner import is_loud

    console = wide_console()
    console.print(Text(sanitize(banner.title), style="bold"))
    for line in banner.lines():
        console.print(Text(sanitize(line), style="bold yellow" if is_loud(line) else ""))
    for table in tables:
        console.print(table)
    for line in lines:
        typer.echo(line)


def text_table(
    title: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    notes: Sequence[str] = (),
    right: Collection[str] = (),
) -> Table:
    """A table of plain texts: no cell is read as markup.

    Args:
        title: Stands above it.
        heads: One per column.
        rows: One text per column.
        notes: Lines below it.
        right: The heads of the columns that are aligned right.
    """
    from rich.markup import escape

    from simulation.monitor.fitted_table import FittedTable

    table = FittedTable(title=escape(title), title_justify="left", caption_justify="left")
    for head in heads:
        table.add_column(escape(head), justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    table.caption = escape("\n".join(notes)) if notes else None
    return table


@cache
def stderr() -> Console:
    """One console for the progress bar and the log, which would otherwise write over each other."""
    from rich.console import Console

    return Console(stderr=True)


def complain(message: str, who: str = "society: ") -> None:
    """Print why the command ends, in the form of the log."""
    if logs.are_json():
        logs.logger.error("%s", message)
    else:
        typer.echo(sanitize_lines(f"{who}{message}"), err=True)


def as_json(value: Any) -> str:
    """A result as JSON; dataclasses and enums are plain, a number that is not finite is null."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def shown_interval(interval: Interval, digits: int = 2, sign: str = "", style: str = "f") -> str:
    """An estimate and its interval as text: `1.50 [1.20, 1.80]`; with the sign "+" each number has its own.

    Without an interval it is the estimate alone; the notes of a study say why.
    """
    if not interval.known:
        return f"{interval.value:{sign}.{digits}{style}}"
    value, low, high = (f"{each:{sign}.{digits}{style}}" for each in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def wide_console(width: int = 200) -> Console:
    """A console for tables: as wide as the terminal, or `width` columns where the output is no terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=width)
