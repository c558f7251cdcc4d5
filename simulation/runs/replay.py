"""Replaying a run: the same episodes from the replies it recorded, with no server and no model, compared as they go.

Everything but the replies is worked out anew (prompts, game, modes, rewards, delivery over OASIS), and must come out as
it was. What was measured of the replies (latencies, tokens, attempts that failed, the duration of a step) is taken from
the recording: a replay measures nothing. The replay's event log and tables are then the same bytes as those of the
run, except that a run that was resumed is replayed as if it had not been interrupted.
"""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest
from pathlib import Path

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Reply, Request
from agents.inference.recording import Recording, RecordingMismatchError
from agents.problems import SocietyError, UsageError
from simulation.engine.environment import MultiModelEnvironment
from simulation.plan import Plan
from simulation.runs.session import Observer, RunSession, RunStoppedError, finish
from simulation.store.events import (
    CallMade,
    EpisodeEnded,
    Event,
    EventLog,
    RunEnded,
    RunResumed,
    StepResolved,
    read_events,
)
from simulation.store.history import said
from simulation.store.prompts import StoredPrompt, read_prompts
from simulation.store.run_directory import RunStatus, new_directory
from simulation.tables.columns import TableName
from simulation.tables.run import Run, read_manifest

_TABLES = [f"{name.value}.parquet" for name in TableName]


class ReplayError(SocietyError):
    """A replay that does not come out as the run did; the text names the first difference."""


@dataclass(frozen=True)
class Replay:
    """A finished replay. `events` counts those that were worked out anew and came out the same; `log_identical` and
    `tables_identical` say whether the files are the same bytes."""

    run: Run
    events: int
    log_identical: bool
    tables_identical: bool


def _ignore(_request: Request) -> None:
    """Where nobody asks what was asked."""


def replay_run(
    path: str | Path,
    *,
    out: str | Path = "runs",
    on_event: Observer | None = None,
    on_request: Callable[[Request], None] = _ignore,
) -> Replay:
    """Replay the finished run in `path` into a run directory of its own in `out`; `on_request` sees every prompt.

    Raises UsageError for a run that is not finished, ReplayError where it comes out otherwise or where a prompt is not
    the one that was answered.
    """
    original = Path(path)
    manifest = read_manifest(original)
    if manifest["status"] != RunStatus.FINISHED.value:
        raise UsageError(f"{original} is not finished; finish it first: society resume {original}")
    plan = Plan.of(manifest)
    folder = new_directory(Path(out), plan, replay_of=original)
    session = ReplaySession(folder, plan, on_event, original, on_request)
    try:
        run = finish(session)
    except RunStoppedError as error:
        raise ReplayError(f"{error.cause}\nthe replay up to there lies in {error.path}") from error
    return Replay(
        run=run,
        events=session.compared,
        log_identical=_same_bytes(original, run.path, (EventLog.NAME,)),
        tables_identical=_same_bytes(original / "tables", run.path / "tables", _TABLES),
    )


def _same_bytes(left: Path, right: Path, names: Sequence[str]) -> bool:
    return filecmp.cmpfiles(left, right, names, shallow=False)[0] == list(names)


@dataclass(frozen=True)
class _Overheard(Recording):
    """A recording that tells what it is asked."""

    tell: Callable[[Request], None] = field(default=_ignore)

    def find(self, request: Request) -> Reply | None:
        self.tell(request)
        return super().find(request)


class ReplaySession(RunSession):
    """Plays from the recording of another run, whose events it expects."""

    def __init__(
        self,
        path: Path,
        plan: Plan,
        on_event: Observer | None,
        original: Path,
        on_request: Callable[[Request], None],
    ) -> None:
        super().__init__(path, plan, on_event)
        self._on_request = on_request
        self._kept = unbroken(original / EventLog.NAME)
        self._asked = read_prompts(original)
        self._script = iter(self._kept)
        self.responders = {row.model_id: _absent for row in plan.roster.expand() if row.human}
        self.compared = 0

    def _recording(self) -> Recording:
        replies = {key: reply for event in self._kept for key, reply in said(event).items()}
        return _Overheard(replies, strict=True, tell=self._compare_prompt)

    def _compare_prompt(self, request: Request) -> None:
        """Note a prompt, and hold it against the one that the run stored, where it stored any."""
        if not request.adapter:  # a person's: no model was asked
            return
        self._on_request(request)
        self._note_prompt(request)
        stored = self._asked.get(request.key)
        if stored is not None and stored.messages != request.messages:
            raise ReplayError(f"{_call(request)}: the prompt differs: {_first_difference(stored, request)}")

    def _settings(self) -> InferenceSettings:
        return replace(super()._settings(), tiers=())

    async def _detect(self, environment: MultiModelEnvironment) -> None:
        """Nothing is asked."""

    def _note(self, event: Event) -> None:
        if isinstance(event, RunEnded) and event.status != RunStatus.FINISHED.value:
            super()._note(event)
            return
        super()._note(self._expected(event))
        self.compared += 1

    def _expected(self, event: Event) -> Event:
        """The recorded event that `event` came out as; calls recorded before it are noted on the way."""
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
    raise RecordingMismatchError(f"{request.key.model_id} was a person, of whom the recording holds no more")


def unbroken(path: Path) -> list[Event]:
    """The events of a log as they would stand had no sitting been cut off."""
    kept: list[Event] = []
    for event in read_events(path):
        if isinstance(event, RunResumed):
            kept = [each for each in kept if not _is_void(each, event.episode)]
        elif not isinstance(event, RunEnded) or event.status == RunStatus.FINISHED.value:
            kept.append(event)
    return kept


def _is_void(event: Event, episode: int) -> bool:
    """Whether an event was of an episode that had to be played again; calls were paid for and count."""
    return not isinstance(event, CallMade) and getattr(event, "episode", None) == episode


def _difference(recorded: Event, event: Event) -> str:
    """What differs between an event and the recorded one, measured durations aside; empty where nothing does."""
    if type(recorded) is not type(event):
        return f"{_place(event)} came where {_place(recorded)} was recorded"
    if isinstance(event, (StepResolved, EpisodeEnded)) and isinstance(recorded, (StepResolved, EpisodeEnded)):
        event = replace(event, duration=recorded.duration)
    names = [field.name for field in fields(event) if getattr(event, field.name) != getattr(recorded, field.name)]
    if not names:
        return ""
    was, now = getattr(recorded, names[0]), getattr(event, names[0])
    return f"{_place(event)}: {names[0]} was {_short(was)}, and is now {_short(now)}"


def _place(event: Event) -> str:
    told = [f"{name} {getattr(event, name)}" for name in ("episode", "step") if hasattr(event, name)]
    return " ".join([type(event).__name__, *told])


def _call(request: Request) -> str:
    key = request.key
    return f"episode {key.episode}, step {key.step}, {key.model_id}, {key.purpose.value}"


def _first_difference(stored: StoredPrompt, request: Request) -> str:
    """Return the first line in which a prompt differs from the stored one."""
    asked = StoredPrompt(request.key, request.messages).text.split("\n")
    lines = zip_longest(stored.text.split("\n"), asked, fillvalue="(no line)")
    was, now = next(((before, after) for before, after in lines if before != after), ("the roles", "other roles"))
    return f"{_short(was)} was asked, and now {_short(now)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
