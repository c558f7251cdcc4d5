"""Whether models do what their messages announce."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.metrics.words import words
from simulation.quality.scorer import Mark, Material, QualityMeasure, scorer

ANNOUNCES = QualityMeasure("announces", "messages that name a legal option")
KEPT = QualityMeasure("kept", "of messages that name a legal option, those after which the sender chose it")


@scorer("agents.players.observation.announced_option", measures=(ANNOUNCES, KEPT))
def consistency(material: Material) -> Iterator[Mark]:
    """Whether decisions are what messages announced.

    The last message of a player in a step counts, in finished episodes.
    """
    for word in words(material.run, material.options):
        episode, _, model_id = word.point
        yield Mark(ANNOUNCES, episode, model_id, word.tier, float(word.announced is not None))
        if word.announced is not None:
            yield Mark(KEPT, episode, model_id, word.tier, float(word.kept))
