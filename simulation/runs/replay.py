"""Replaying a run: the same episodes from the recorded replies, with no server and no model, compared as they go.

Everything but the replies is computed again (prompts, game, modes, rewards, delivery over OASIS) and must be equal to
the recording; prompts are compared with the stored ones, line by line. Measurements of the replies (latencies, tokens,
failed attempts, the duration of a step) are copied: a replay measures nothing. The replay's event log and tables are
then the same bytes as those of the run, except that a resumed run is replayed as if it had not been interrupted.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Reply, Request
from agents.inference.recording import Recording, RecordingMismatchError
from agents.problems import SocietyError, UsageError
from simulation.engine.environment import MultiModelEnvironment
from simulation.engine.interventions import Live
from simulation.plan import Plan
from simulation.runs.changes import fork_entries
from simulation.runs.live import again
from simulation.runs.session import Observer, RunSession, RunStoppedError, finish
from simulation.store.blocks import EventBlock, one_by_one, takes_blocks
from simulation.store.events import CallMade, EpisodeEnded, EpisodeStarted, Event, RunEnded, RunResumed, StepResolved
from simulation.store.history import is_large_step_in_lines, live_events, said
from simulation.store.intervention_events import EventHappened
from simulation.store.log import EventLog, read_log
from simulation.store.prompts import StoredPrompt, read_prompts
from simulation.store.run_directory import IN_COLUMNS, RunStatus, new_directory, reader_of, write_manifest
from simulation.tables.columns import OPTIONAL_TABLES, TABLES, TableName
from simulation.tables.parquet import has_columns, stored_file
from simulation.tables.run import Run, load_run, read_manifest


class ReplayError(SocietyError):
    """A replay that differs from its run; the text names the first difference."""


@dataclass(frozen=True)
class Replay:
    """A finished replay.

    Args:
        run: The replay's own run.
        events: How many events were computed again and are equal to the recorded ones.
        log_identical: Whether the two event logs are the same bytes.
        tables_identical: Whether all tables are the same bytes; or rows, where they were not stored with these columns.
    """

    run: Run
    events: int
    log_identical: bool
    tables_identical: bool


def replay_run(path: str | Path, *, out: str | Path = "runs", on_event: Observer | None = None) -> Replay:
    """Replay a finished run into a run directory of its own.

    Args:
        path: The finished run's directory.
        out: The folder for the replay's run directory.
        on_event: Is called with every event as it happens.

    Raises:
        UsageError: The run is not finished.
        ReplayError: An event, or a prompt, differs from the recorded one.
    """
    original = Path(path)
    manifest = read_manifest(original)
    if manifest["status"] != RunStatus.FINISHED.value:
        raise UsageError(f"{original} is not finished; finish it first: society resume {original}")
    plan = Plan.of(manifest)
    replay = new_directory(Path(out), plan, original, reader_of(manifest), fork_entries(manifest))
    session = ReplaySession(replay, plan, on_event, original)
    try:
        run = finish(session)
    except RunStoppedError as error:
        raise ReplayError(f"{error.cause}\nthe replay up to there is in {error.path}") from error
    return Replay(
        run=run,
        events=session.compared,
        log_identical=_same_bytes(original, run.path, (EventLog.NAME,)),
        tables_identical=all(map(partial(_same_table, load_run(original), run), TableName)),
    )


def _same_table(original: Run, run: Run, name: TableName) -> bool:
    file, other = stored_file(original.path, name), stored_file(run.path, name)
    if name in OPTIONAL_TABLES and not file.exists() and not other.exists():
        return True
    if not (file.exists() and has_columns(file, TABLES[name])):
        same: bool = getattr(original, name.value).equals(getattr(run, name.value))
        return same
    return _same_bytes(file.parent, other.parent, (file.name,))


def _same_bytes(left: Path, right: Path, names: Sequence[str]) -> bool:
    return filecmp.cmpfiles(left, right, names, shallow=False)[0] == list(names)


@dataclass(frozen=True)
class WatchedRecording(Recording):
    """A recording that calls `tell` with every request."""

    tell: Callable[[Request], None] = field(kw_only=True)

    def find(self, request: Request) -> Reply | None:
        self.tell(request)
        return super().find(request)


class ReplaySession(RunSession):
    """Plays from the recording of another run, whose events it expects."""

    def __init__(self, path: Path, plan: Plan, on_event: Observer | None, original: Path) -> None:
        super().__init__(path, plan, on_event)
        self._original = original
        self._recorded = unbroken(original / EventLog.NAME)
        self._asked = read_prompts(original)
        self._script: Iterator[Event] = one_by_one(self._recorded)
        self.responders = {row.model_id: _absent for row in plan.roster.expand() if row.human}
        self.compared = 0

    def _recording(self) -> Recording:
        replies = {key: reply for event in self._recorded for key, reply in said(event).items()}
        return WatchedRecording(replies, strict=True, tell=self._compare_prompt)

    def _live(self) -> Live:
        happened = (event for event in self._recorded if isinstance(event, EventHappened))
        return partial(again, live_events(happened))

    def _compare_prompt(self, request: Request) -> None:
        """Store a prompt, and compare it with the one that the run stored, if it stored any."""
        if not request.adapter:  # a person's request: no model was asked
            return
        self._note_prompt(request)
        stored = self._asked.get(request.key)
        if stored is not None and stored.messages != request.messages:
            raise ReplayError(f"{request.key.place}: the prompt differs: {_first_difference(stored, request)}")

    def _began_by_requests(self) -> bool:
        return any(map(is_large_step_in_lines, self._recorded))

    def _why_in_columns(self) -> str:
        models = any(row.model_name for row in self.plan.roster.models)
        unheard = models and not any(isinstance(event, CallMade) for event in self._recorded)
        if self._recorded and unheard and read_manifest(self._original).get(IN_COLUMNS):
            return f"{self._original} was played in columns, without a record of replies"
        return super()._why_in_columns()

    def _settings(self) -> InferenceSettings:
        return replace(super()._settings(), tiers=())

    async def _detect(self, environment: MultiModelEnvironment) -> None:
        """Ask no server; what the run found about its servers is true of its replies here too."""
        probes = read_manifest(self._original).get("probes") or {}
        write_manifest(self.path, {**read_manifest(self.path), "probes": probes})

    @takes_blocks
    def _note(self, event: Event) -> None:
        if isinstance(event, RunEnded) and event.status != RunStatus.FINISHED.value:
            super()._note(event)
        elif isinstance(event, EventBlock):
            self._note_block(event)
        else:
            super()._note(self._expected(event))
            self.compared += 1

    def _note_block(self, block: EventBlock) -> None:
        """Compare the events of a block with the recorded ones, which may be lines or a block."""
        for event in block.rows:
            self._expected(event)
        super()._note(block)
        self.compared += len(block.rows)

    def _expected(self, event: Event) -> Event:
        """Return the recorded event that `event` is equal to; calls recorded before it are logged on the way."""
        for recorded in self._script:
            if isinstance(recorded, CallMade):
                super()._note(recorded)
                continue
            difference = _difference(recorded, event)
            if difference:
                raise ReplayError(difference)
            return recorded
        raise ReplayError(f"the run ended before {_place(event)}")


async def _absent(request: Request) -> Reply:
    raise RecordingMismatchError(f"{request.key.model_id} was a person; the recording has no further reply of theirs")


def unbroken(path: Path) -> list[Event]:
    """Return the events of a log as they would be if no session had been cut off."""
    kept: list[Event] = []
    begun: set[int] = set()
    for event in read_log(path):
        if isinstance(event, RunResumed):
            kept = [each for each in kept if not _is_void(each, event.episode)]
        elif isinstance(event, EpisodeStarted):
            kept += [] if event.episode in begun else [event]
            begun.add(event.episode)
        elif not isinstance(event, RunEnded) or event.status == RunStatus.FINISHED.value:
            kept.append(event)
    return kept


def _is_void(event: Event, episode: int) -> bool:
    """Tell whether an event belongs to an episode that was played again: not its start, nor calls, which were paid."""
    return not isinstance(event, (CallMade, EpisodeStarted)) and getattr(event, "episode", None) == episode


def _difference(recorded: Event, event: Event) -> str:
    """Return how an event differs from the recorded one, measured durations aside; empty where it does not."""
    if recorded == event:
        return ""
    if type(recorded) is not type(event):
        return f"{_place(event)} happened where {_place(recorded)} was recorded"
    if isinstance(event, (StepResolved, EpisodeEnded)) and isinstance(recorded, (StepResolved, EpisodeEnded)):
        event = replace(event, duration=recorded.duration)
    names = [field.name for field in fields(event) if getattr(event, field.name) != getattr(recorded, field.name)]
    if not names:
        return ""
    was, now = getattr(recorded, names[0]), getattr(event, names[0])
    return f"{_place(event)}: {names[0]} was {_short(was)}, and is now {_short(now)}"


def _place(event: Event) -> str:
    parts = [f"{name} {getattr(event, name) + 1}" for name in ("episode", "step") if hasattr(event, name)]
    return " ".join([type(event).__name__, *parts])


def _first_difference(stored: StoredPrompt, request: Request) -> str:
    """Return the first line in which a prompt differs from the stored one."""
    asked = StoredPrompt(request.key, request.messages).text.split("\n")
    lines = zip_longest(stored.text.split("\n"), asked, fillvalue="(no line)")
    was, now = next(((before, after) for before, after in lines if before != after), ("the roles", "other roles"))
    return f"{_short(was)} was asked, and now {_short(now)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
