"""The reference formula of this project's first specification; the game `strategy` pays by the same formula."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.games.strategy import response_bonus
from simulation.quality.scorer import Mark, Material, QualityMeasure, scorer

BONUS = QualityMeasure(
    "bonus", "0.10 for a message that speaks of cooperation, else 0.05; 0.05 more for competition", False
)


@scorer("simulation.games.strategy.response_bonus", measures=(BONUS,), synthetic=True)
def keyword(material: Material) -> Iterator[Mark]:
    """The bonus that the specification gives for words in messages."""
    rows = material.run.messages
    for episode, sender, tier, text in zip(rows["episode"], rows["sender"], rows["tier"], rows["text"], strict=True):
        yield Mark(BONUS, int(episode), str(sender), str(tier), response_bonus(str(text)))
