"""Which option a message announces, and whether the decision after it was that option.

A message announces the option that it names first (`agents.players.observation.announced_option`). Where options are
numbers, a number at the beginning of a message counts as one.
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
    """The last message of one player in a step, and the decision after it.

    Attributes:
        point: The player's decision.
        tier: The lower of the tiers of message and decision.
        announced: The legal option that the message names; None where it names none.
        action: The decision; None where it was invalid.
    """

    point: DecisionPoint
    tier: str
    announced: Option | None
    action: str | None

    @property
    def kept(self) -> bool:
        """Whether the decision was what the message announced; an invalid decision was not."""
        return self.announced is not None and self.announced.action == self.action


def words(run: Run, options: Mapping[DecisionPoint, tuple[Option, ...]] | None = None) -> Iterator[Word]:
    """The last message of every player and step with a message and a decision, in finished episodes.

    Args:
        run: The run.
        options: The result of `options_of(run)`, if it is known already.
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
        point = DecisionPoint(int(episode), int(step), str(sender))
        if point in legal:
            lower = lowest_tier({Tier(tier): 1, Tier(decision_tier): 1})
            done = action if isinstance(action, str) else None
            yield Word(point, lower, announced_option(str(text), legal[point]), done)
