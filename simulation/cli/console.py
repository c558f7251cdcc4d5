"""What every command prints with: the console, the progress bar, a run's outcomes, an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from simulation.metrics.registry import Interval

from functools import cache
from typing import TYPE_CHECKING, Any

from agents.sanitize import sanitize_lines
from simulation.cli import logs

if TYPE_CHECKING:
    from rich.console import Console

    from simulation.tables.run import Run


def progress_bar(episodes: int) -> Any:
    from rich.console import Console

    from simulation.monitor.progress import LiveProgress

    console = Console(stderr=True, quiet=True, force_terminal=False) if logs.are_json() else stderr()
    return LiveProgress(console, episodes)


def show(finished: Run, as_json: bool) -> None:
    """Print a run's outcomes; the last line is its directory."""
    if as_json:
        outcomes = json.loads(finished.outcomes.to_json(orient="records"))
        typer.echo(
            json.dumps({"run": str(finished.path), "tier_mix": finished.manifest["tier_mix"], "outcomes": outcomes})
        )
        return
    from rich.console import Console

    from simulation.monitor.progress import outcome_table

    console = Console()
    wide = console if console.is_terminal else Console(width=200)
    wide.print(outcome_table(finished, wide.width))
    typer.echo(str(finished.path))


@cache
def stderr() -> Console:
    """One console for the progress bar and the log, which would otherwise write over each other."""
    from rich.console import Console

    return Console(stderr=True)


def complain(message: str, who: str = "society: ") -> None:
    """Why the command ends, in the shape of the log."""
    if logs.are_json():
        logs.logger.error("%s", message)
    else:
        typer.echo(sanitize_lines(f"{who}{message}"), err=True)


def shown_interval(interval: Interval) -> str:
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def wide_console() -> Console:
    """A console for tables: the terminal's width, or wide where the output is no terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=200)
