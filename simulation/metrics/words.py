"""Word and deed: which option a message announces, and whether the decision after it was that option.

A message announces the option it names first (`agents.players.observation.announced_option`). Where options are
numbers, any number a message begins with is taken for one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.inference.provenance import Tier, lowest_tier
from agents.players.observation import Option, announced_option
from simulation.tables.reconstruct import DecisionPoint, options_of

if TYPE_CHECKING:
    from simulation.tables.run import Run


@dataclass(frozen=True)
class Word:
    """What one player said last in a step, before it had a choice.

    `announced` is the legal option its message names, None where it names none; `action` what it then did, None where
    that was invalid. `tier` is the lower of the two texts' tiers.
    """

    moment: DecisionPoint
    tier: str
    announced: Option | None
    action: str | None

    @property
    def kept(self) -> bool:
        """Whether the decision was what the message announced; an invalid decision keeps nothing."""
        return self.announced is not None and self.announced.action == self.action


def words(run: Run, options: Mapping[DecisionPoint, tuple[Option, ...]] | None = None) -> Iterator[Word]:
    """The last message of every player and step in which it spoke and had a choice, in finished episodes.

    `options` are those of `options_of(run)`, where they are at hand.
    """
    legal = options_of(run) if options is None else options
    said = run.messages.sort_values("talk_round", kind="stable").astype({"sender": str, "tier": str})
    last = said.drop_duplicates(["episode", "step", "sender"], keep="last")
    decided = run.decisions.astype({"model_id": str, "tier": str, "action": object})
    decided = decided.rename(columns={"model_id": "sender", "tier": "decision_tier"})
    keys = ["episode", "step", "sender"]
    pairs = last[[*keys, "text", "tier"]].merge(decided[[*keys, "action", "decision_tier"]], on=keys).sort_values(keys)
    columns = (pairs[name] for name in (*keys, "text", "action", "tier", "decision_tier"))
    for episode, step, sender, text, action, tier, decision_tier in zip(*columns, strict=True):
        moment = DecisionPoint(int(episode), int(step), str(sender))
        if moment in legal:
            lower = lowest_tier({Tier(tier): 1, Tier(decision_tier): 1})
            done = action if isinstance(action, str) else None
            yield Word(moment, lower, announced_option(str(text), legal[moment]), done)
