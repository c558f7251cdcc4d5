"""What the terminal shows during a run, from its events."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from agents.inference.provenance import CallStatus
from agents.sanitize import sanitize
from simulation.store.blocks import EventBlock
from simulation.store.events import CallBegun, CallMade, EpisodeEnded, EpisodeStarted, Event, RunResumed, StepResolved
from simulation.task import NETWORK

if TYPE_CHECKING:
    from rich.console import Console

    from agents.inference.provenance import CallKey
    from simulation.plan import Plan


class LiveProgress:
    """A progress bar over episodes, with step, calls, tokens/s and replies by tier, and the time left.

    The bar moves at every call. If the console is not a terminal, it prints a line per episode instead.

    Args:
        console: Where to print.
        episodes: The number of episodes to play.
        plan: What is played; without it the bar moves by episodes.
    """

    takes_blocks = True

    def __init__(self, console: Console, episodes: int, plan: Plan | None = None) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console, self._episodes = console, episodes
        self._steps = [task.max_steps for task in plan.scenario.tasks] if plan else []
        self._calls = calls_of_a_step(plan) if plan else 0
        self._generating = GenerationClock()
        self._texts = self._tokens = self._ended_episodes = self._most_steps = self._step = self._in_step = 0
        self._statuses: Counter[CallStatus] = Counter()
        self._tiers: Counter[str] = Counter()
        self._where = "starting"
        self._mode = ""
        self._phases = _Phases(self._enter_phase)
        self._progress = Progress(
            TextColumn("episode"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("starting", total=episodes)

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        self._phases.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phases.end()
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Handle one event of the run."""
        match event:
            case EpisodeStarted():
                self._mode = event.mode
                self._most_steps = self._steps[event.episode % len(self._steps)] if self._steps else 0
                self._begin_step(0)
            case EventBlock():
                self._texts += len(event.rows)
            case CallBegun():
                self._generating.begin(event.request.key)
            case CallMade():
                self._count(event)
            case StepResolved():
                self._begin_step(event.step + 1)
            case RunResumed():
                self._ended_episodes += event.episode
            case EpisodeEnded():
                self._ended(event)
            case _:
                return
        self._progress.update(self._bar, completed=self._done(), description=self._line())

    def _enter_phase(self, text: str) -> None:
        self._where = text
        self._progress.update(self._bar, description=self._line())

    def _begin_step(self, played: int) -> None:
        self._step, self._in_step = played, 0
        of = f"/{self._most_steps}" if self._most_steps else ""
        self._where = f"{self._mode} step {played}{of}"

    def _count(self, event: CallMade) -> None:
        self._statuses[event.record.status] += 1
        self._in_step += 1
        if event.record.reply is not None:
            self._generating.end(event.record.key)
            self._tiers[event.record.tier.value] += 1
        if event.record.status is CallStatus.OK:
            self._tokens += event.record.completion_tokens or 0

    def _ended(self, event: EpisodeEnded) -> None:
        self._ended_episodes += 1
        self._step = self._in_step = 0
        if not self._console.is_terminal:
            welfare = f"welfare {event.welfare:.1f} of {event.optimum:.1f}"
            line = f"episode {self._ended_episodes}/{self._episodes} {self._mode}: {welfare}; {self._line()}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _done(self) -> float:
        """Return the episodes played, with the parts of the current one: its steps, and the calls of its step."""
        if not self._most_steps:
            return self._ended_episodes
        part = min(0.95, self._in_step / self._calls) if self._calls else 0.0
        return self._ended_episodes + min(0.99, (self._step + part) / self._most_steps)

    def _line(self) -> str:
        others = (CallStatus.FAILED, CallStatus.CACHED, CallStatus.CANCELLED)
        calls = self._statuses[CallStatus.OK] + self._statuses[CallStatus.FAILED]
        other_counts = "".join(f", {self._statuses[each]} {each.value}" for each in others if self._statuses[each])
        if not self._statuses:
            texts = f"{self._texts:,} messages and decisions without a call" if self._texts else "no calls yet"
            return f"{self._where} | {texts}"
        mix = " ".join(f"{tier}:{count}" for tier, count in sorted(self._tiers.items())) or "no replies yet"
        seconds = self._generating.seconds  # none where replies are recorded ones
        rate = f" | {self._tokens / seconds:.0f} tokens/s" if seconds else ""
        crowd = f" | {self._texts:,} texts in columns" if self._texts else ""
        return f"{self._where} | {calls} calls{other_counts}{rate} | {mix}{crowd}"


def calls_of_a_step(plan: Plan) -> int:
    """Return about how many calls a step takes: fewer where a model has nothing to say or to decide."""
    asked = sum(1 for row in plan.roster.expand() if row.model_name)
    rules = plan.scenario.communication
    return asked * (
        rules.talk_rounds + plan.scenario.needs_tools + any(task.task_type != NETWORK for task in plan.scenario.tasks)
    )


class GenerationClock:
    """Seconds in which at least one call was being answered."""

    def __init__(self) -> None:
        self._open: set[CallKey] = set()
        self._before = self._since = 0.0

    def begin(self, key: CallKey) -> None:
        """A call was made."""
        if not self._open:
            self._since = time.monotonic()
        self._open.add(key)

    def end(self, key: CallKey) -> None:
        """A call was answered."""
        if key in self._open:
            self._open.remove(key)
            if not self._open:
                self._before += time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        """Return the seconds so far."""
        return self._before + (time.monotonic() - self._since if self._open else 0.0)


class _Phases(logging.Handler):
    """Hears what a run does before its first call: `society.phase` says it."""

    def __init__(self, enter: Callable[[str], None]) -> None:
        super().__init__()
        self._enter = enter
        self._loggers = [logging.getLogger(name) for name in ("society.phase", "society.notice")]

    def emit(self, record: logging.LogRecord) -> None:
        self._enter(sanitize(record.getMessage()))

    def begin(self) -> None:
        phase = self._loggers[0]
        phase.setLevel(logging.INFO)
        phase.propagate = False  # the bar shows it; as a line it would be in the way
        for each in self._loggers:
            each.addHandler(self)

    def end(self) -> None:
        self._loggers[0].propagate = True
        self._loggers[0].setLevel(logging.NOTSET)
        for each in self._loggers:
            each.removeHandler(self)


@contextmanager
def counted(what: str, console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar over a set of runs; if the console is not a terminal, print a line after every 50.

    Args:
        what: What one of them is called, such as "run" or "match".
        console: Where to print.

    Yields:
        A function that takes the number of finished ones and the number of all.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(what, *columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)

        def watch(done: int, most: int) -> None:
            progress.update(bar, completed=done, total=most)
            if not console.is_terminal and (done == most or done % 50 == 0):
                console.print(f"{what} {done}/{most}", highlight=False)

        yield watch
