"""What the terminal shows during a run (from its events) and after it (from its tables)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from agents.inference.provenance import CallStatus
from agents.yaml_file import display
from simulation.store.events import CallMade, EpisodeEnded, EpisodeStarted, Event, RunResumed, StepResolved
from simulation.tables.columns import SUMMARY_FIGURES, SUMMARY_KEYS
from simulation.treatment import Treatment

_HEADS = {
    "model_id": "model",
    "player": "played by",
    "team_id": "team",
    "task_type": "game",
    "cooperation_score": "cooperation",
    "reward_earned": "reward",
}
_COLUMNS = (
    *("model_id", "player", "models", "team_id", "payoff", "tier", "cooperation_score", "reward_earned", "efficiency"),
    *("accuracy", "role", "episodes"),
)
"""In the order of the table: a narrow terminal hides the last ones."""
WIDE = 120
MOST_MODELS = 60
"""Above this number of models the table has a row per kind of model instead of one per model."""
_MOVABLE_TO_TITLE = ("team_id", "task_type", "mode", "episodes")

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from simulation.metrics.replies import ReplyShare
    from simulation.tables.run import Run


class LiveProgress:
    """A progress bar over episodes, with step, calls, tokens/s and replies by tier.

    If the console is not a terminal, it prints a line per episode instead.

    Args:
        console: Where to print.
        episodes: The number of episodes to play.
    """

    def __init__(self, console: Console, episodes: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console, self._episodes = console, episodes
        self._started = time.monotonic()
        self._tokens = 0
        self._statuses: Counter[CallStatus] = Counter()
        self._tiers: Counter[str] = Counter()
        self._where = "starting"
        self._mode = ""
        self._progress = Progress(
            TextColumn("episode"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("", total=episodes)

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        """Handle one event of the run."""
        match event:
            case EpisodeStarted():
                self._mode = event.mode
                self._where = f"{event.mode} step 0"
            case CallMade():
                self._count(event)
            case StepResolved():
                self._where = f"{self._mode} step {event.step + 1}"
            case RunResumed():
                self._progress.advance(self._bar, event.episode)
            case EpisodeEnded():
                self._ended(event)
            case _:
                return
        self._progress.update(self._bar, description=self._line())

    def _count(self, event: CallMade) -> None:
        self._statuses[event.record.status] += 1
        if event.record.reply is not None:
            self._tiers[event.record.tier.value] += 1
        if event.record.status is CallStatus.OK:
            self._tokens += event.record.completion_tokens or 0

    def _ended(self, event: EpisodeEnded) -> None:
        self._progress.advance(self._bar)
        if not self._console.is_terminal:
            welfare = f"welfare {event.welfare:.1f} of {event.optimum:.1f}"
            ended = int(self._progress.tasks[self._bar].completed)
            line = f"episode {ended}/{self._episodes} {self._mode}: {welfare}; {self._line()}"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _line(self) -> str:
        seconds = max(1e-9, time.monotonic() - self._started)
        others = (CallStatus.FAILED, CallStatus.CACHED, CallStatus.CANCELLED)
        calls = self._statuses[CallStatus.OK] + self._statuses[CallStatus.FAILED]
        other_counts = "".join(f", {self._statuses[each]} {each.value}" for each in others if self._statuses[each])
        mix = " ".join(f"{tier}:{count}" for tier, count in sorted(self._tiers.items())) or "no calls yet"
        return f"{self._where} | {calls} calls{other_counts} | {self._tokens / seconds:.0f} tokens/s | {mix}"


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


def outcome_tables(run: Run, shares: Sequence[ReplyShare] = ()) -> Iterator[Table]:
    """Yield a table of the mean outcomes per model and episode for each game and mode, best payoff first.

    Values that are the same in every row are in the title, except the tier. If there are more than `MOST_MODELS`
    models, those with the same player, role and team share a row. A narrow terminal hides the last columns.

    Args:
        run: A run with outcomes.
        shares: The run's `reply_shares`, for the lines below the last table.
    """
    synthetic = bool(run.outcomes["synthetic"].all()) and len(run.outcomes) > 0
    summary = run.summary(synthetic=synthetic).astype({"team_id": object}).fillna({"team_id": ""})
    models, kinds = summary["model_id"].nunique(), _by_kind(summary)
    by_kind = models > MOST_MODELS and len(kinds) < len(summary)
    caption = _caption(run, shares)
    if by_kind:
        each = f"for each model: society report {display(run.path)}"
        caption = f"{models} models, averaged by player, role and team; {each}\n{caption}"
    title = f"{run.manifest['scenario']['name']}: means per {'kind of model' if by_kind else 'model'} and episode"
    parts = [part for _, part in (kinds if by_kind else summary).groupby(["task_type", "mode"], sort=False)]
    for number, part in enumerate(parts, start=1):
        yield _outcome_table(part, title, caption if number == len(parts) else "")


def _outcome_table(part: pd.DataFrame, title: str, caption: str) -> Table:
    from rich.markup import escape

    from simulation.monitor.fitted_table import FittedTable

    common = [key for key in _MOVABLE_TO_TITLE if part[key].nunique() == 1]
    shared = [f"{_HEADS.get(key, key)} {part[key].iloc[0]}" for key in common if part[key].iloc[0] != ""]
    table = FittedTable(
        title=escape(f"{title} ({', '.join(shared)})"),
        title_justify="left",
        caption=escape(caption),
        caption_justify="left",
    )
    columns = [key for key in _COLUMNS if key in part.columns and key not in common]
    for key in columns:
        figure = key in SUMMARY_FIGURES
        table.add_column(_HEADS.get(key, key), justify="right" if figure else "left", no_wrap=figure, overflow="fold")
    for row in part.sort_values("payoff", ascending=False, kind="stable").to_dict("records"):
        table.add_row(*(f"{row[key]:.3f}" if key in SUMMARY_FIGURES else escape(str(row[key])) for key in columns))
    return table


def notices_of(run: Run) -> list[str]:
    """Return what must be read before a run's figures, a line each."""
    lines, simulated = [], run.manifest["tier_mix"].get("simulated", 0)
    if simulated:
        lines.append(f"SIMULATED: {simulated} replies are scripted, not generated by a language model.")
    treatment = run.manifest["scenario"]["communication"].get("treatment", Treatment.DELIVERED.value)
    if treatment != Treatment.DELIVERED.value:
        lines.append(f"Messages were {treatment} before delivery.")
    synthetic = run.outcomes["synthetic"]
    if len(synthetic) and bool(synthetic.all()):
        lines.append("SYNTHETIC outcomes: a formula over words, not play.")
    elif bool(synthetic.any()):
        lines.append("Synthetic outcomes are left out.")
    return lines


def _by_kind(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the means over all models with the same player, role and team, by game, mode and tier."""
    kinds = ["player", *(key for key in SUMMARY_KEYS if key not in ("model_id", "model_name"))]
    grouped = summary.groupby(kinds, observed=True, dropna=False, sort=False)
    means = grouped[list(SUMMARY_FIGURES)].mean()
    means.insert(0, "models", grouped["model_id"].nunique())
    means.insert(1, "episodes", grouped["episodes"].max())
    return means.reset_index()


def _caption(run: Run, shares: Sequence[ReplyShare]) -> str:
    mix = run.manifest["tier_mix"]
    lines = ["replies by tier: " + (", ".join(f"{tier} {count}" for tier, count in mix.items()) or "none")]
    if shares:
        lines.append(", ".join(f"{each.name} {each.count}/{each.of}" for each in shares))
    return "\n".join(lines)
