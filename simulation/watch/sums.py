"""Sums over a run's events, in memory that does not grow with the run's length."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import astuple, dataclass, field, replace
from operator import add
from statistics import median, quantiles
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.provenance import CallStatus, Tier, fallen, lowest_tier
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
    """Sums of one model at one tier: `reward` and `payoff` over ended episodes, `total_payoff` over all steps.

    `texts` are its messages, decisions and social actions; `simulated` are those without a language model.
    """

    episodes: int = 0
    reward: float = 0.0
    payoff: float = 0.0
    total_payoff: float = 0.0
    cooperation: float = 0.0
    valid_steps: int = 0
    messages: int = 0
    invalid: int = 0
    texts: int = 0
    simulated: int = 0

    def plus(self, other: RowSums) -> RowSums:
        """Both together."""
        return RowSums(*map(add, astuple(self), astuple(other)))


@dataclass
class Playing:
    """What one model does in the present episode. Its tier is known when the episode ends: the lowest of its texts."""

    sums: RowSums = field(default_factory=RowSums)
    tiers: dict[Tier, int] = field(default_factory=dict)

    @property
    def tier(self) -> str:
        """The lowest tier of its texts so far; "none" where it has none."""
        return lowest_tier(self.tiers)

    def count(self, tier: str) -> RowSums:
        """Count a text; the sums, to be added to."""
        self.tiers[Tier(tier)] = 1
        self.sums.texts += 1
        self.sums.simulated += tier == Tier.SIMULATED.value
        return self.sums


@dataclass
class Sums:
    """Sums over messages, decisions, acts and steps: everything that a resumed run may take back."""

    rows: dict[Key, RowSums] = field(default_factory=dict)  # of ended episodes
    playing: defaultdict[str, Playing] = field(default_factory=lambda: defaultdict(Playing))
    lines: dict[Key, float] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    stride: int = 1
    steps: int = 0
    links: Counter[tuple[str, str]] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)

    def shown(self, synthetic: bool) -> dict[Key, RowSums]:
        """The rows with the present episode, which is under the lowest tiers so far."""
        rows = dict(self.rows)
        for name, playing in self.playing.items():
            key = Key(name, playing.tier, synthetic)
            rows[key] = rows[key].plus(playing.sums) if key in rows else playing.sums
        return rows

    def end_episode(self, results: dict[Key, RowSums]) -> None:
        """File the present episode under the keys of its results, and add these."""
        for key, result in results.items():
            self.rows[key] = self.rows.get(key, RowSums()).plus(self.playing.pop(key.name, Playing()).sums).plus(result)
        self.playing.clear()

    def copy(self) -> Sums:
        """A copy that later events do not change, between episodes."""
        return replace(
            self,
            rows=dict(self.rows),
            playing=defaultdict(Playing),
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
