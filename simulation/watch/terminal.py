"""A run while it lasts, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.sanitize import sanitize
from simulation.answer.render import block_text
from simulation.monitor.fitted_table import FittedTable
from simulation.tables.players import NOT_ASKED
from simulation.treatment import Treatment
from simulation.watch.follower import OVER, QUIET, Follower
from simulation.watch.view import Calls, EntryKind, LiveView, ModelRow, TrainingProgress, WatchStatus

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PAUSE = 0.25
LINES_BESIDE_ROWS = 14
"""Lines of the terminal that are not rows of models, without the latest messages."""
LATEST = 6
FIGURES = ("payoff", "total", "reward", "cooperation", "messages", "invalid")


def watch_in_terminal(console: Console, follower: Follower) -> WatchStatus:
    """Show the run until it is over; where the output is no terminal, only its end.

    Raises:
        SocietyError: The run cannot be followed.
    """
    if not console.is_terminal:
        _follow(follower)
        console.print(drawn(follower.view(), console.width))
        return follower.status
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for _ in _looks(follower):
            live.update(drawn(follower.view(), console.width, console.height), refresh=True)
    console.print(drawn(follower.view(), console.width))
    return follower.status


def _follow(follower: Follower) -> None:
    for _ in _looks(follower):
        pass


def _looks(follower: Follower) -> Iterator[None]:
    """One turn per look at the run, until it is over and read to its end."""
    while not (follower.caught_up and follower.status in OVER):
        follower.poll()
        yield
        if follower.caught_up or follower.status is WatchStatus.WAITING:
            time.sleep(PAUSE)


def drawn(view: LiveView, width: int, height: int | None = None) -> RenderableType:
    """A view for a terminal.

    Args:
        view: What to show.
        width: Columns of the terminal.
        height: Lines of the terminal; without it, every row is shown.
    """
    if view.progress.status is WatchStatus.WAITING:
        return Text(f"waiting for {sanitize(view.progress.run)} to begin")
    if view.training is not None and not view.progress.task:
        return Group(_title(view), *_training(view.training))
    trained = () if view.training is None else _training(view.training)
    above = 0 if view.training is None else len(view.training.learners) + 3
    rows = len(view.rows) if height is None else max(3, height - LINES_BESIDE_ROWS - LATEST - above)
    return Group(
        _title(view),
        *([] if view.answer is None or height is not None else [block_text(view.answer, width)]),
        *trained,
        _progress(view),
        *_honesty(view),
        _models(view, rows),
        _calls(view.calls),
        *_latest(view),
    )


def _title(view: LiveView) -> Text:
    at, command = view.progress, "resume" if view.training is None else "train"
    title = Text.assemble((sanitize(at.scenario), "bold"), f" {sanitize(at.run)}  ")
    title.append(at.status.value, style="green" if at.status is WatchStatus.FINISHED else "bold")
    if at.reason:
        title.append(f": {sanitize(at.reason)}; society {command} goes on", style="red")
    return title


def _training(at: TrainingProgress) -> Iterator[RenderableType]:
    """How far a training is, and its learners after the latest update."""
    line = Table.grid(padding=(0, 1))
    pace = (
        "" if at.seconds is None else f", {at.seconds:.1f} s an update, {timedelta(seconds=round(at.left or 0))} left"
    )
    bar = ProgressBar(total=max(1, at.updates), completed=min(at.update, at.updates), width=24)
    line.add_row(bar, Text(f"update {at.update}/{at.updates}{pace}"))
    yield line
    table = Table(show_edge=False, pad_edge=False)
    for head in ("learner", "value a step", "entropy", "invalid"):
        table.add_column(head, justify="left" if head == "learner" else "right", no_wrap=True)
    for row in at.learners:
        figures = ("-" if each is None else f"{each:.3f}" for each in (row.value, row.entropy))
        table.add_row(*map(Text, (sanitize(row.learner), *figures, f"{row.invalid:.1%}")))
    yield table


def _progress(view: LiveView) -> RenderableType:
    at = view.progress
    line = Table.grid(padding=(0, 1))
    place = f"episode {at.episode}/{at.episodes} step {at.step}/{at.steps} {at.game} ({at.task}) {at.mode}"
    again = f", resumed {at.resumed}x" if at.resumed else ""
    quiet = time.time() - at.written
    silent = f", nothing written for {quiet:.0f} s" if at.status is WatchStatus.RUNNING and quiet >= QUIET else ""
    bar = ProgressBar(total=max(1, at.episodes), completed=at.ended, width=24)
    line.add_row(bar, Text(sanitize(place + again + silent), no_wrap=True, overflow="ellipsis"))
    return line


def _honesty(view: LiveView) -> Iterator[Text]:
    facts = view.honesty
    mix = ", ".join(f"{tier} {count}" for tier, count in facts.texts.items()) or "none yet"
    fallbacks = "".join(f", {count} replies fell back {tiers}" for tiers, count in facts.fallbacks.items())
    yield Text(f"texts by tier: {mix}; {facts.failed} failed calls{fallbacks}; {facts.invalid} invalid decisions")
    warnings = {
        "SIMULATED texts are scripted, not generated by a language model.": "simulated" in facts.texts,
        f"SYNTHETIC outcomes in {facts.synthetic_episodes} episodes: a formula over words, not play.": (
            facts.synthetic_episodes > 0
        ),
        f"Messages were {facts.treatment} before they were heard.": facts.treatment != Treatment.DELIVERED.value,
        f"A replay of {facts.replay_of}.": bool(facts.replay_of),
    }
    yield from (Text(sanitize(text), style="yellow") for text, so in warnings.items() if so)


def _models(view: LiveView, most: int) -> Table:
    """The models' figures, the highest total payoff first: payoff and reward are means per ended episode."""
    table = FittedTable(elsewhere="", show_edge=False, pad_edge=False, caption_justify="left")
    for head in ("model", "played by", "team", *FIGURES, "tier"):
        figure = head in FIGURES
        table.add_column(head, justify="right" if figure else "left", no_wrap=figure, overflow="fold")
    for row in view.rows[:most]:
        table.add_row(*map(Text, map(sanitize, _cells(row))))
    if view.row_count > most:
        table.caption = f"and {view.row_count - most} more"
    return table


def _cells(row: ModelRow) -> tuple[str, ...]:
    tier = NOT_ASKED if row.player == NOT_ASKED else row.tier
    means = ("-" if each is None else f"{each:.1f}" for each in (row.payoff, row.reward))
    return (
        row.model_id,
        row.player,
        row.team_id,
        next(means),
        f"{row.total_payoff:.1f}",
        next(means),
        "-" if row.cooperation is None else f"{row.cooperation:.3f}",
        str(row.messages),
        str(row.invalid),
        f"{tier} SYNTHETIC" if row.synthetic else tier,
    )


def _calls(calls: Calls) -> Text:
    rate = "no step timed yet" if calls.per_second is None else f"{calls.per_second:.1f} calls/s"
    tiers = (
        f"{each.tier} {each.ok} ok {each.failed} failed, p50 {each.median:.3f} s"
        for each in calls.tiers
        if each.median is not None
    )
    return Text("; ".join((rate, *tiers)))


def _latest(view: LiveView) -> Iterator[Text]:
    messages = [entry for entry in view.entries if entry.kind is EntryKind.MESSAGE]
    for entry in [*messages, *view.said][-LATEST:]:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(sanitize(entry.who), style="bold")
        yield line.append(f" ({entry.tier}) {sanitize(entry.text)}")
