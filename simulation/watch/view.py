"""What those who watch a run are shown. The page receives it as JSON, the terminal draws it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class WatchStatus(str, Enum):
    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    BROKEN = "broken"


class EntryKind(str, Enum):
    MESSAGE = "message"
    DECISION = "decision"
    ACT = "act"


class Grouping(str, Enum):
    """What a name in lines and links stands for: a model, or, where there are too many, its team or its role."""

    MODEL = "model"
    TEAM = "team"
    ROLE = "role"


@dataclass(frozen=True)
class Progress:
    """How far the run is. `episode` and `step` count from 1 and are 0 before the first; `written` is when the log
    was last written to, in seconds since 1970; `unread` how many of its bytes are still to be read."""

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
    """What must be said about the figures. `texts` are messages, decisions and acts by tier; `failed` counts failed
    attempts; `falls` replies that better tiers had failed to give."""

    texts: dict[str, int]
    failed: int
    falls: dict[str, int]
    invalid: int
    synthetic_episodes: int
    treatment: str
    replay_of: str


@dataclass(frozen=True)
class TierCalls:
    """The calls at one tier. `median` and `slow` are the 50th and 90th percentile, in seconds, of the latest calls
    that went well."""

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
    """`per_second` counts attempts that came to their end in the latest timed steps, by those steps' durations."""

    per_second: float | None
    tiers: tuple[TierCalls, ...]


@dataclass(frozen=True)
class ModelRow:
    """One model at one tier, real play and synthetic apart: each figure counts where its own tier puts it. `episodes`
    and `reward` are of ended episodes; `payoff` is the sum over steps, `cooperation` the mean over valid decisions."""

    model_id: str
    model_name: str
    role: str
    team_id: str
    tier: str
    synthetic: bool
    episodes: int
    reward: float
    payoff: float
    cooperation: float | None
    messages: int
    invalid: int


@dataclass(frozen=True)
class LiveLine:
    """A line of the payoff picture: a group at one tier, and its payoff summed so far."""

    name: str
    tier: str
    synthetic: bool
    total: float


@dataclass(frozen=True)
class Point:
    """After that many steps, the sum of each line, in the order of the lines; later lines are missing."""

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
    """One message, decision or act. `number` counts them all; `hearers` names the first few of `heard_by`."""

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
class LiveView:
    """Everything shown. `whole` replaces what was shown before; else `points` and `entries` are the new ones only."""

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
