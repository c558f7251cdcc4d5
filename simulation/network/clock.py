"""The simulated clock of a network: when each step is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FORMAT = "%Y-%m-%d %H:%M"
"""How a time is written in a scenario, a prompt and a table."""
STORED = "%Y-%m-%d %H:%M:%S"
"""How OASIS reads a time in the tables of a reddit platform."""


@dataclass(frozen=True)
class StepClock:
    """When a step is: step 0 at `start`, each step `minutes` later."""

    start: datetime
    minutes: float

    def at(self, step: int) -> datetime:
        """Return the time of a step."""
        return self.start + timedelta(minutes=self.minutes * step)

    def text(self, step: int) -> str:
        """Return the time of a step as prompts and tables show it."""
        return self.at(step).strftime(FORMAT)

    def seconds(self, step: int) -> float:
        """Return the time of a step in seconds since 1970, without a time zone, as OASIS counts."""
        return (self.at(step) - datetime(1970, 1, 1)).total_seconds()
