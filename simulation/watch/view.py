"""What is shown to those who watch a run. The page receives it as JSON, the terminal draws it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from simulation.answer.words import Block


class WatchStatus(str, Enum):
    """Where a run is; broken: its log cannot be read."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    BROKEN = "broken"


class EntryKind(str, Enum):
    """What an entry is of."""

    MESSAGE = "message"
    DECISION = "decision"
    ACT = "act"


class Grouping(str, Enum):
    """What a name in lines and links stands for: a model, or where there are many models, a team or a role."""

    MODEL = "model"
    TEAM = "team"
    ROLE = "role"


@dataclass(frozen=True)
class Progress:
    """How far the run is.

    Attributes:
        run: The name of its directory.
        scenario: The scenario's name.
        status: Where the run is.
        reason: Why it stopped, or cannot be read.
        episode: The current episode, from 1; 0 before the first.
        episodes: All episodes.
        ended: Episodes that ended.
        step: Steps of the current episode that ended.
        steps: The most steps that the current episode can have.
        task: The current task.
        game: Its game.
        mode: Its mode.
        resumed: How often the run was resumed.
        written: When the log was last written to, in seconds since 1970.
        unread: Bytes of the log that are not read yet.
    """

    run: str
    scenario: str
    status: WatchStatus
    reason: str = ""
    episode: int = 0
    episodes: int = 0
    ended: int = 0
    step: int = 0
    steps: int = 0
    task: str = ""
    game: str = ""
    mode: str = ""
    resumed: int = 0
    written: float = 0.0
    unread: int = 0


@dataclass(frozen=True)
class LiveHonesty:
    """What a reader must know of the figures.

    Attributes:
        texts: Messages, decisions and acts by tier.
        failed: Attempts that failed.
        fallbacks: Replies that better tiers had failed to give, by "failed tiers>tier".
        invalid: Decisions that were no legal option.
        synthetic_episodes: Episodes whose outcome is a formula over words.
        treatment: What was done to messages before they were heard.
        replay_of: The run that this one replays; empty for none.
    """

    texts: dict[str, int]
    failed: int
    fallbacks: dict[str, int]
    invalid: int
    synthetic_episodes: int
    treatment: str
    replay_of: str


@dataclass(frozen=True)
class TierCalls:
    """The calls of one tier. `median` and `slow` are the 50th and 90th percentile of seconds of the latest replies."""

    tier: str
    ok: int
    failed: int
    cached: int
    cancelled: int
    completion_tokens: int
    median: float | None
    slow: float | None


@dataclass(frozen=True)
class Calls:
    """All calls. `per_second` is that of the latest timed steps: attempts that were not cancelled / seconds."""

    per_second: float | None
    tiers: tuple[TierCalls, ...]


@dataclass(frozen=True)
class ModelRow:
    """One model at one tier, real play and synthetic play in rows of their own.

    Attributes:
        model_id: The model.
        player: Who played: its adapter, its policy, the stand-in where texts were simulated, or "not asked".
        role: Its role.
        team_id: Its team; empty without one.
        tier: The lowest tier of its texts in an episode; in the present episode, the lowest so far.
        synthetic: Whether outcomes are a formula over words.
        episodes: Episodes that ended.
        reward: The mean per ended episode; None before the first.
        payoff: The mean per ended episode; None before the first.
        total_payoff: The sum over all steps so far.
        cooperation: The mean over valid decisions (0-1); None without any.
        messages: Messages sent.
        invalid: Decisions that were no legal option.
    """

    model_id: str
    player: str
    role: str
    team_id: str
    tier: str
    synthetic: bool
    episodes: int
    reward: float | None
    payoff: float | None
    total_payoff: float
    cooperation: float | None
    messages: int
    invalid: int


@dataclass(frozen=True)
class LiveLine:
    """A line of the payoff picture: a group at one tier, and the sum of its payoffs so far."""

    name: str
    tier: str
    synthetic: bool
    total: float


@dataclass(frozen=True)
class Point:
    """The sum of each line after that many steps, in the order of the lines; lines that began later are missing."""

    step: int
    totals: tuple[float, ...]


@dataclass(frozen=True)
class Link:
    """How often `hearer` heard `sender`."""

    sender: str
    hearer: str
    messages: int


@dataclass(frozen=True)
class Entry:
    """One message, decision or act. `number` counts them all; `hearers` are the first few of `heard_by` models."""

    number: int
    kind: EntryKind
    episode: int
    step: int
    who: str
    team: str
    hearers: tuple[str, ...]
    heard_by: int
    text: str
    action: str
    tier: str
    fallback_from: str


@dataclass(frozen=True)
class LearnerRow:
    """A learner after the latest update: the fields of the ledger's line."""

    learner: str
    value: float | None
    entropy: float | None
    invalid: float


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is.

    Attributes:
        update: The number of the latest update; 0 before the first.
        updates: The number of updates that the scenario asks for.
        seconds: The mean seconds of the latest updates; None before the first.
        left: The seconds that the others take at this rate.
        learners: The learners, in the order of the scenario.
    """

    update: int
    updates: int
    seconds: float | None
    left: float | None
    learners: tuple[LearnerRow, ...]


@dataclass(frozen=True)
class LiveView:
    """Everything shown. A `whole` view replaces earlier ones; else `points` and `entries` are the new ones only.

    `said` are messages that are said and not yet heard: others still speak in the same talk round.

    With a `training`, everything else is of the episodes of its current update. `answer` is the run's so far.
    """

    whole: bool
    progress: Progress
    honesty: LiveHonesty
    calls: Calls
    grouping: Grouping
    rows: tuple[ModelRow, ...]
    row_count: int
    lines: tuple[LiveLine, ...]
    points: tuple[Point, ...]
    links: tuple[Link, ...]
    entries: tuple[Entry, ...]
    entry_count: int
    said: tuple[Entry, ...] = ()
    training: TrainingProgress | None = None
    answer: Block | None = None
