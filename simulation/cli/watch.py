"""A run or a training on a live page or in the terminal: `society view RUN`. Heavy imports are inside."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulation.cli.renamed import ONLY_NOW

if TYPE_CHECKING:
    from simulation.watch.follower import Follower


TerminalOption = Annotated[
    bool, typer.Option("--terminal", help="Watch a run, or the newest of a folder, in this terminal.")
]


def add_to(app: typer.Typer) -> None:
    """Add this command to the `society` app."""
    app.command(hidden=True)(watch)


def watch(
    run: Annotated[
        Path,
        typer.Argument(
            help="A run directory, also before the run begins; a training's folder; or a folder of them: the newest."
        ),
    ] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 for the page; 0 is any free one.")] = 0,
    terminal: TerminalOption = False,
) -> None:
    """Watch a run or a training while it goes on; now `society view`."""
    typer.echo(f"`society watch` is now `society view`; {ONLY_NOW}", err=True)
    watch_one(run, port, terminal=terminal)


def is_watched(path: Path) -> bool:
    """Tell whether a path is a run or a training, or will be: what one watches, not a folder of them."""
    from simulation.tables.run import TRAINING

    return not path.exists() or any((path / name).exists() for name in ("manifest.json", "events.jsonl", TRAINING))


def watch_one(run: Path, port: int, *, terminal: bool, open_: bool = False) -> None:
    """Watch a run or a training, or the newest of a folder: on a page of its own, or in this terminal."""
    from simulation.watch.training import follower_of
    from simulation.watch.view import WatchStatus

    follower = follower_of(run)
    follower.poll()  # a run that cannot be read is an error, not an empty page
    if follower.status is WatchStatus.WAITING:
        typer.echo(f"waiting for {run} to begin; Ctrl-C ends watching", err=True)
    if terminal:
        _in_terminal(follower)
    else:
        asyncio.run(_page(follower, port, open_))


def _in_terminal(follower: Follower) -> None:
    from rich.console import Console

    from simulation.watch.terminal import watch_in_terminal

    with contextlib.suppress(KeyboardInterrupt):
        watch_in_terminal(Console(), follower)


async def _page(follower: Follower, port: int, open_: bool) -> None:
    from simulation.watch.server import LivePage
    from simulation.watch.stream import Stream

    async with LivePage(Stream(follower)).serve(port) as address:
        typer.echo(address)
        if open_:
            typer.launch(address)
        await until_stopped()


async def until_stopped() -> None:
    """Wait for Ctrl-C, which ends the page and nothing else."""
    end = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not on Windows
            asyncio.get_running_loop().add_signal_handler(each, end.set)
    typer.echo("Ctrl-C ends watching, not what is watched", err=True)
    await end.wait()
