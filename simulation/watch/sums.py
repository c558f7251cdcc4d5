"""Sums over a run's events, in memory that does not grow with the run's length."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.provenance import CallStatus, fallen
from simulation.watch.view import Calls, Grouping, Point, TierCalls

if TYPE_CHECKING:
    from agents.inference.provenance import CallRecord
    from agents.roster import ModelConfig

POINTS = 512
LATENCIES = 500
TIMED_STEPS = 20
NAMES = 16


class Key(NamedTuple):
    """Whose figures, at which tier. Figures of different keys are never added together."""

    name: str
    tier: str
    synthetic: bool


@dataclass
class RowSums:
    """Sums of one model at one tier: `reward` and `payoff` over ended episodes, `total_payoff` over all steps."""

    episodes: int = 0
    reward: float = 0.0
    payoff: float = 0.0
    total_payoff: float = 0.0
    cooperation: float = 0.0
    valid_steps: int = 0
    messages: int = 0
    invalid: int = 0


@dataclass
class Sums:
    """Sums over messages, decisions, acts and steps: everything that a resumed run may take back."""

    rows: dict[Key, RowSums] = field(default_factory=dict)
    lines: dict[Key, float] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    stride: int = 1
    steps: int = 0
    links: Counter[tuple[str, str]] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)

    def row(self, key: Key) -> RowSums:
        """The sums of one key, zeros at first."""
        return self.rows.setdefault(key, RowSums())

    def copy(self) -> Sums:
        """A copy that later events do not change."""
        return replace(
            self,
            rows={key: replace(row) for key, row in self.rows.items()},
            lines=dict(self.lines),
            points=list(self.points),
            links=Counter(self.links),
            texts=Counter(self.texts),
        )

    def mark_step(self) -> None:
        """End a step. Every `stride`-th step has a point; too many points are halved."""
        self.steps += 1
        if self.steps % self.stride:
            return
        self.points.append(Point(self.steps, tuple(self.lines.values())))
        if len(self.points) > POINTS:
            self.stride *= 2
            self.points = [each for each in self.points if each.step % self.stride == 0]


class CallSums:
    """Sums over a run's calls. A resumed run takes none back, as they were paid for."""

    def __init__(self) -> None:
        self.fallbacks: Counter[str] = Counter()
        self._statuses: dict[str, Counter[CallStatus]] = {}
        self._tokens: Counter[str] = Counter()
        self._latencies: dict[str, deque[float]] = {}
        self._timed: deque[tuple[int, float]] = deque(maxlen=TIMED_STEPS)
        self._in_step = 0

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(statuses[CallStatus.FAILED] for statuses in self._statuses.values())

    def add(self, record: CallRecord) -> None:
        """Count an attempt."""
        tier = record.tier.value
        self._statuses.setdefault(tier, Counter())[record.status] += 1
        self._in_step += record.status in (CallStatus.OK, CallStatus.FAILED)
        if record.status is CallStatus.OK:
            self._tokens[tier] += record.completion_tokens or 0
            self._latencies.setdefault(tier, deque(maxlen=LATENCIES)).append(record.latency)
            if record.reply is not None and (fallback_from := fallen(record.reply.provenance)):
                self.fallbacks[f"{fallback_from}>{tier}"] += 1

    def begin_step(self) -> None:
        """Count the attempts of a new step."""
        self._in_step = 0

    def end_step(self, duration: float | None) -> None:
        """End a step of so many seconds; None where its duration is unknown."""
        if duration is not None:
            self._timed.append((self._in_step, duration))
        self.begin_step()

    def view(self) -> Calls:
        """The sums, to be shown."""
        seconds = sum(duration for _, duration in self._timed)
        per_second = sum(calls for calls, _ in self._timed) / seconds if seconds > 0 else None
        return Calls(per_second, tuple(self._tier(tier) for tier in sorted(self._statuses)))

    def _tier(self, tier: str) -> TierCalls:
        statuses, latest = self._statuses[tier], self._latencies.get(tier, ())
        return TierCalls(
            tier=tier,
            ok=statuses[CallStatus.OK],
            failed=statuses[CallStatus.FAILED],
            cached=statuses[CallStatus.CACHED],
            cancelled=statuses[CallStatus.CANCELLED],
            completion_tokens=self._tokens[tier],
            median=median(latest) if latest else None,
            slow=quantiles(latest, n=10, method="inclusive")[8] if len(latest) > 1 else None,
        )


def grouped(players: tuple[ModelConfig, ...]) -> tuple[Grouping, dict[str, str]]:
    """How lines and links name models, so that there are at most 16 names: what a name stands for, and each model's."""
    teams = {player.team_id for player in players}
    if len(players) <= NAMES:
        return Grouping.MODEL, {player.model_id: player.model_id for player in players}
    if 1 < len(teams) <= NAMES:
        return Grouping.TEAM, {player.model_id: player.team_id or "no team" for player in players}
    return Grouping.ROLE, {player.model_id: player.role.value for player in players}
