"""Whether decisions were readable and legal."""

from __future__ import annotations

from collections.abc import Iterator

from agents.players.observation import announced_option
from simulation.quality.scorer import Mark, Material, QualityMeasure, scorer
from simulation.tables.reconstruct import DecisionPoint

READABLE = QualityMeasure("readable", "decisions whose last answer names a legal option, with or without other words")
LEGAL = QualityMeasure("legal", "decisions that were a legal option and nothing else, at the first or second request")
FIRST = QualityMeasure("first_ask", "decisions that were legal at the first request")
SECOND = QualityMeasure("second_ask", "of decisions that were requested twice, those legal at the second request")


@scorer("defined in simulation.quality.parse", measures=(READABLE, LEGAL, FIRST, SECOND))
def parse(material: Material) -> Iterator[Mark]:
    """Whether decisions were readable and legal, and at which request, in finished episodes."""
    rows = material.run.decisions
    columns = (rows[name] for name in ("episode", "step", "model_id", "tier", "text", "valid", "asks"))
    for episode, step, model_id, tier, text, valid, asks in zip(*columns, strict=True):
        options = material.options.get(DecisionPoint(int(episode), int(step), str(model_id)))
        if options is None:
            continue
        found = {
            READABLE: valid or announced_option(str(text), options) is not None,
            LEGAL: valid,
            FIRST: valid and asks == 1,
        }
        if asks > 1:
            found[SECOND] = valid
        for measure, value in found.items():
            yield Mark(measure, int(episode), str(model_id), str(tier), float(value))
