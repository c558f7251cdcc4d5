"""What an environment has done so far: running sums, in constant time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from agents.inference.provenance import CallRecord, CallStatus
from simulation.games.measures import welfare_ratio
from simulation.store.events import EpisodeEnded


@dataclass(frozen=True)
class EnvironmentStats:
    """What an environment has done so far.

    `calls` are attempts that ended, well or not; a cached reply is no attempt. `call_success_rate` is 0-1, None before
    the first attempt. Tiers are never averaged together: `mean_latency` (seconds) and `tier_mix` are of successful
    attempts by tier; `mean_welfare_ratio` (0-1, as `welfare_ratio` defines it) is by an episode's lowest tier, without
    synthetic episodes and those in which nothing can be won.
    """

    models: int
    episodes: int
    calls: int
    failed_calls: int
    call_success_rate: float | None
    mean_latency: dict[str, float]
    completion_tokens: int
    tier_mix: dict[str, int]
    mean_welfare_ratio: dict[str, float]


class EnvironmentCounts:
    """Running sums behind `EnvironmentStats`."""

    def __init__(self) -> None:
        self.statuses: Counter[CallStatus] = Counter()
        self.tiers: Counter[str] = Counter()
        self.latency: defaultdict[str, float] = defaultdict(float)
        self.tokens = 0
        self.ratios: defaultdict[str, float] = defaultdict(float)
        self.scored: Counter[str] = Counter()

    def add_call(self, record: CallRecord) -> None:
        self.statuses[record.status] += 1
        if record.status is CallStatus.OK:
            self.tiers[record.tier.value] += 1
            self.latency[record.tier.value] += record.latency
            self.tokens += record.completion_tokens or 0

    def add_episode(self, ended: EpisodeEnded, synthetic: bool) -> None:
        ratio = welfare_ratio(ended.welfare, ended.optimum)
        if not (synthetic or math.isnan(ratio)):
            self.ratios[ended.tier] += ratio
            self.scored[ended.tier] += 1

    def stats(self, models: int, episodes: int) -> EnvironmentStats:
        good, failed = self.statuses[CallStatus.OK], self.statuses[CallStatus.FAILED]
        total = good + failed
        return EnvironmentStats(
            models=models,
            episodes=episodes,
            calls=total,
            failed_calls=failed,
            call_success_rate=good / total if total else None,
            mean_latency={tier: self.latency[tier] / count for tier, count in sorted(self.tiers.items())},
            completion_tokens=self.tokens,
            tier_mix=dict(sorted(self.tiers.items())),
            mean_welfare_ratio={tier: self.ratios[tier] / count for tier, count in sorted(self.scored.items())},
        )
