"""What a model's episode took: its replies by tier, its seconds, its messages; and the outcome they end in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agents.inference.provenance import FALLING_ORDER, Provenance, Reply, Tier
from simulation.store.events import Outcome

if TYPE_CHECKING:
    from agents.roster import ModelConfig
    from simulation.games.base import PlayerScore


@dataclass
class Ledger:
    """What one model's episode has taken so far."""

    seconds: float = 0.0
    messages: int = 0
    invalid: int = 0
    tiers: Counter[Tier] = field(default_factory=Counter)

    def add(self, reply: Reply) -> None:
        self.seconds += reply.provenance.latency
        self.tiers[reply.provenance.tier] += 1


def fallen(source: Provenance) -> str:
    """The tiers that failed before a reply came, best first: "camel>http", or empty."""
    return ">".join(tier.value for tier in source.fell_from)


def outcome(config: ModelConfig, ledger: Ledger, score: PlayerScore, reward: float) -> Outcome:
    """One model's episode, from what its replies took and how the game scored it."""
    return Outcome(
        model_id=config.model_id,
        model_name=config.played_by,
        role=config.role.value,
        team_id=config.team_id,
        specialization=config.specialization,
        tier=lowest_tier(ledger.tiers),
        real_share=real_share(ledger.tiers),
        payoff=score.payoff,
        accuracy=score.accuracy,
        efficiency=score.efficiency,
        cooperation_score=score.cooperation_score,
        reward_earned=reward,
        completion_time=ledger.seconds,
        messages_sent=ledger.messages,
        invalid_decisions=ledger.invalid,
    )


def lowest_tier(tiers: Mapping[Tier, int]) -> str:
    """The tier furthest down the falling order among those used, else "human", else "scripted", else "none"."""
    used = [tier.value for tier in (Tier.SCRIPTED, Tier.HUMAN, *FALLING_ORDER) if tiers.get(tier)]
    return used[-1] if used else "none"


def real_share(tiers: Mapping[Tier, int]) -> float:
    """The share of texts, 0-1, that a language model generated."""
    texts = sum(tiers.values())
    return sum(count for tier, count in tiers.items() if tier.real) / texts if texts else 0.0
