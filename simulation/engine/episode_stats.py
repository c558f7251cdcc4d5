"""Totals of one model's episode (replies by tier, seconds, messages, invalid decisions) and its outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents.inference.provenance import Reply, Tier, lowest_tier, real_share
from agents.language import text_in
from simulation.games.measures import known
from simulation.store.events import Outcome

if TYPE_CHECKING:
    from agents.roster import ModelConfig
    from simulation.games.score import PlayerScore


@dataclass
class EpisodeStats:
    """Totals of one model's episode so far."""

    seconds: float = 0.0
    messages: int = 0
    invalid: int = 0
    tiers: Counter[Tier] = field(default_factory=Counter)

    def add(self, reply: Reply) -> None:
        self.seconds += reply.provenance.latency
        self.tiers[reply.provenance.tier] += 1


def outcome(config: ModelConfig, stats: EpisodeStats, score: PlayerScore, reward: float) -> Outcome:
    """Return one model's outcome of an episode, from its totals and its score in the game."""
    return Outcome(
        model_id=config.model_id,
        model_name=config.played_by,
        role=config.role.value,
        team_id=config.team_id,
        specialization=text_in(config.specialization),
        tier=lowest_tier(stats.tiers),
        real_share=real_share(stats.tiers),
        payoff=score.payoff,
        accuracy=score.accuracy,
        efficiency=known(score.efficiency),
        cooperation_score=score.cooperation_score,
        reward_earned=reward,
        completion_time=stats.seconds,
        messages_sent=stats.messages,
        invalid_decisions=stats.invalid,
    )
