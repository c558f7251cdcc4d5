"""The circuit breaker of one server: pure, time is handed in (seconds of any monotonic clock).

    closed     every call passes; `threshold` failures in a row open it
    open       no call passes until a pause is over
    half-open  one call passes, the probe: its success closes the breaker, its failure opens it for longer

The pause doubles with every opening in a row, up to `longest`, and is jittered so that many clients do not come back at
once. (Nygard, Release It!, 2nd ed. 2018, "Circuit Breaker".)
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum

FIRST_PAUSE = 0.5
THRESHOLD = 3


class BreakerState(str, Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass
class Breaker:
    """`longest` bounds the pause, in seconds; `openings` counts those since it was last closed; `probe` is the number
    of the probe that is out, 0 for none."""

    longest: float
    threshold: int = THRESHOLD
    failures: int = 0
    openings: int = 0
    reopens: float = 0.0
    probe: int = 0
    probes: int = 0
    rng: random.Random = field(default_factory=random.Random, repr=False)

    def state(self, now: float) -> BreakerState:
        if not self.openings:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.reopens else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Whether a call may pass now."""
        return not self.openings or (now >= self.reopens and not self.probe)

    def begin(self) -> int:
        """A call passes; its number where it is the probe, else 0. The caller tells it when the call has ended."""
        if not self.openings:
            return 0
        self.probes += 1
        self.probe = self.probes
        return self.probe

    def succeeded(self) -> None:
        """A call succeeded, whenever it began: the server works."""
        self.failures = self.openings = self.probe = 0

    def failed(self, now: float, probe: int = 0) -> None:
        """A call failed. One that began before the breaker opened tells nothing new, nor does an earlier probe."""
        probed = bool(probe) and probe == self.probe
        if self.openings and not probed:
            return
        self.failures += 1
        if probed or self.failures >= self.threshold:
            self._open(now)

    def abandoned(self, probe: int = 0) -> None:
        """A call ended without telling anything of the server: it was cancelled, or was itself wrong."""
        if probe == self.probe:
            self.probe = 0

    def _open(self, now: float) -> None:
        pause = min(self.longest, FIRST_PAUSE * 2.0 ** min(self.openings, 30))
        self.openings += 1
        self.reopens = now + pause * self.rng.uniform(0.5, 1.0)
        self.probe = 0
