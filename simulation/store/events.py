"""The append-only event log of a run. Every table is derived from it.

One JSON object a line, `type` first. A torn last line (the process was killed inside a write) is ignored when the log
is read. All times are in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import orjson

from agents.dataclass_init import quick_init
from agents.inference.provenance import CallKey, CallRecord, CallStatus, Purpose, Request, Tier
from agents.inference.recording import read_reply
from agents.problems import SocietyError
from simulation.store.files import drop_torn_line
from simulation.store.intervention_events import EventHappened
from simulation.store.interviews import InterviewAnswered
from simulation.store.migrations import migrated_events
from simulation.store.network_events import PostSeeded


@dataclass(frozen=True)
class EpisodeStarted:
    """The start of an episode.

    `mode` is the mode played (never mixed); `mode_reason` says why a mixed run picked it.
    """

    episode: int
    task_id: str
    task_type: str
    mode: str
    mode_reason: str
    mode_probability: float
    synthetic: bool
    reward_pool: float
    cooperation_level: float
    difficulty: float


@quick_init
@dataclass(frozen=True)
class CallBegun:
    """A request that is about to be sent. Observers receive it; the log holds its attempts instead, as they end."""

    request: Request


@quick_init
@dataclass(frozen=True)
class CallMade:
    """One attempt of one generation. A resumed run uses its reply in place of a call."""

    record: CallRecord


@quick_init
@dataclass(frozen=True)
class MessageSent:
    """One strategy message.

    `addressees` are the other members of its group chat, as topology and mode allow; `audience` are those who heard it,
    after inbox limit and treatment.
    """

    episode: int
    step: int
    talk_round: int
    sender: str
    team_id: str | None
    addressees: tuple[str, ...]
    audience: tuple[str, ...]
    text: str
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    oasis_message_id: int
    oasis_group_id: int
    reasoning: str = ""


@quick_init
@dataclass(frozen=True)
class DecisionMade:
    """One decision; `action` None is invalid. Provenance is that of the last reply asked for.

    `reading` is how the reply was read (`agents.answers.AnswerReading`), empty for a run of the first reader; `note` is
    the private note before the decision, `reasoning` the thought of note and reply. Logs of earlier versions have none
    of the three.
    """

    episode: int
    step: int
    model_id: str
    action: str | None
    text: str
    asks: int
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    choice_probability: float | None
    reading: str = ""
    note: str = ""
    reasoning: str = ""


@dataclass(frozen=True)
class SocialActed:
    """One action in the social network.

    `action` None is invalid; `arguments` is JSON, by OASIS's parameter names; `error` is OASIS's refusal, or why the
    reply is no legal action. Provenance is that of the last reply asked for.

    A task of type social_network sets the rest: `time` is the simulated clock, `seen` the numbers of the posts that the
    model was shown, `item` the number of the post or comment that it published, 0 without one.
    """

    episode: int
    step: int
    model_id: str
    action: str | None
    arguments: str
    success: bool
    error: str
    text: str
    asks: int
    tier: str
    adapter: str
    endpoint: str
    latency: float
    fallback_from: str
    reasoning: str = ""
    time: str = ""
    seen: tuple[int, ...] = ()
    item: int = 0


@dataclass(frozen=True)
class StepRow:
    """One model's result of one step; `cooperation` is None for an invalid decision."""

    model_id: str
    payoff: float
    cooperation: float | None
    total_payoff: float


@dataclass(frozen=True)
class StepResolved:
    """The end of a step.

    `duration` is None where an earlier session began the episode: its replies took no time again.
    """

    episode: int
    step: int
    duration: float | None
    rows: tuple[StepRow, ...]


@dataclass(frozen=True)
class Outcome:
    """One model's result of an episode.

    `tier` is the lowest tier that any of its texts came from ("none" where it neither spoke nor was asked),
    `real_share` the share of its texts (0-1) that a language model generated, `completion_time` the seconds that its
    own texts took.
    """

    model_id: str
    model_name: str
    role: str
    team_id: str | None
    specialization: str
    tier: str
    real_share: float
    payoff: float
    accuracy: float
    efficiency: float | None
    cooperation_score: float | None
    reward_earned: float
    completion_time: float
    messages_sent: int
    invalid_decisions: int


@dataclass(frozen=True)
class EpisodeEnded:
    """The end of an episode.

    `welfare`, `optimum` and `nash` are sums of payoffs over all models and steps; `duration` is as in StepResolved;
    `tier` and `real_share` are those of all texts of the episode, as in Outcome. `nash` is None where the game knows no
    equilibrium, `gini` where a payoff is negative.
    """

    episode: int
    steps: int
    duration: float | None
    tier: str
    real_share: float
    welfare: float
    gini: float | None
    optimum: float
    nash: float | None
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class RunResumed:
    """The start of a new session. `episode` had not ended; it is played again from the replies in the log."""

    episode: int


@dataclass(frozen=True)
class RunEnded:
    status: str
    reason: str = ""


Event = (
    EpisodeStarted
    | CallBegun
    | CallMade
    | MessageSent
    | SocialActed
    | PostSeeded
    | EventHappened
    | DecisionMade
    | InterviewAnswered
    | StepResolved
    | EpisodeEnded
    | RunResumed
    | RunEnded
)
EVENT_TYPES: dict[str, type[Any]] = {
    event.__name__: event
    for event in (
        EpisodeStarted,
        CallMade,
        MessageSent,
        SocialActed,
        PostSeeded,
        EventHappened,
        DecisionMade,
        InterviewAnswered,
        StepResolved,
        EpisodeEnded,
        RunResumed,
        RunEnded,
    )
}


class EventLogError(SocietyError):
    """An event log that cannot be read; the text names file and line."""


class EventLog:
    """Appends events to a file; `sync` makes everything written so far survive a crash.

    After a write that failed, every later write raises the same OSError: a half-written line must stay the last one.
    """

    NAME: ClassVar[str] = "events.jsonl"

    def __init__(self, path: Path) -> None:
        drop_torn_line(path)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._waiting: list[bytes] = []
        self._refused: OSError | None = None

    def append(self, event: Event) -> None:
        self._waiting.append(encode(event) + b"\n")
        if isinstance(event, (CallMade, MessageSent)):  # paid for, or heard: others may read it before the run goes on
            self._flush()

    def _flush(self) -> None:
        rest = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        try:
            while rest and self._refused is None:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._refused = error
        if self._refused is not None:
            raise self._refused

    def sync(self) -> None:
        self._flush()
        os.fsync(self._descriptor)

    def close(self) -> None:
        self.sync()
        self.abandon()

    def abandon(self) -> None:
        """Close the file without writing more."""
        self._waiting.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def encode(event: Event) -> bytes:
    """Return an event as one line of JSON, without the line's end."""
    body = {field.name: getattr(event, field.name) for field in fields(event)}
    return orjson.dumps({"type": type(event).__name__, **body})


def decode(line: bytes) -> Event:
    """Return the event in a line of this version. Raises ValueError or KeyError for anything else."""
    return _event(orjson.loads(line))


def _event(body: dict[str, Any]) -> Event:
    kind = EVENT_TYPES[body.pop("type")]
    read = _READERS.get(kind)
    event: Event = read(body) if read else kind(**body)
    return event


def _key(body: dict[str, Any]) -> CallKey:
    return CallKey(**{**body, "purpose": Purpose(body["purpose"])})


def _call(body: dict[str, Any]) -> CallMade:
    record = body["record"]
    typed = {"key": _key(record["key"]), "tier": Tier(record["tier"]), "status": CallStatus(record["status"])}
    reply = read_reply(record["reply"]) if record["reply"] else None
    return CallMade(CallRecord(**{**record, **typed, "reply": reply}))


_READERS: dict[type[Any], Callable[[dict[str, Any]], Event]] = {
    CallMade: _call,
    MessageSent: lambda body: MessageSent(
        **{**body, "addressees": tuple(body["addressees"]), "audience": tuple(body["audience"])}
    ),
    SocialActed: lambda body: SocialActed(**{**body, "seen": tuple(body.get("seen", ()))}),
    InterviewAnswered: InterviewAnswered.read,
    EventHappened: EventHappened.read,
    StepResolved: lambda body: StepResolved(**{**body, "rows": tuple(StepRow(**row) for row in body["rows"])}),
    EpisodeEnded: lambda body: EpisodeEnded(**{**body, "outcomes": tuple(Outcome(**row) for row in body["outcomes"])}),
}


class _Lines:
    """The whole lines of a log as raw events; `number` is the line read last."""

    def __init__(self, path: Path) -> None:
        self._path, self.number = path, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as file:
            for self.number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                yield orjson.loads(line)


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a log, oldest first, migrated where an older version wrote them.

    A torn last line is left out.

    Raises:
        EventLogError: The log is missing, or a line of it is broken.
    """
    lines = _Lines(path)
    try:
        for body in migrated_events(iter(lines), path.parent):
            yield _event(body)
    except FileNotFoundError as error:
        raise EventLogError(f"{path} is not there: the run has no record of what happened") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EventLogError(f"{path}:{lines.number}: not an event of this version: {error}") from error
