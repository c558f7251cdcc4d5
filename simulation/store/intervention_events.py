"""The event of an intervention: something that happened to a run which no model did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCENARIO = "scenario"
"""The source of an event that the scenario names."""


@dataclass(frozen=True)
class EventHappened:
    """An intervention before a step.

    `kind` is one of `KINDS` in `simulation.interventions.intervention`, `to` are the models it happened to, `detail` is
    what happened, as JSON. `source` is `scenario`, or the id of the line of `society say` that asked for it.
    """

    episode: int
    step: int
    number: int
    kind: str
    to: tuple[str, ...]
    detail: str
    source: str

    @classmethod
    def read(cls, body: dict[str, Any]) -> EventHappened:
        """Return the event in the body of a line; JSON has lists in place of tuples."""
        return cls(**{**body, "to": tuple(body["to"])})
