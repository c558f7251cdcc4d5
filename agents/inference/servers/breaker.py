"""The circuit breaker of one server. Pure: the time is an argument (seconds of any monotonic clock).

    closed     every call passes; `threshold` failures in a row open it
    open       no call passes until a pause is over
    half-open  one call passes, the probe: its success closes the breaker, its failure opens it for longer

The pause doubles with every opening in a row, up to `longest`, with jitter, so that many clients do not come back at
once.

Source:
    Nygard, Release It!, 2nd ed. 2018, "Circuit Breaker".
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum

FIRST_PAUSE = 0.5
THRESHOLD = 3


class BreakerState(str, Enum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass
class Breaker:
    """A circuit breaker.

    Args:
        longest: The longest pause, in seconds.
        threshold: Failures in a row that open it.
        failures: Failures in a row so far.
        openings: Openings since it was last closed.
        reopens: The moment at which the pause ends.
        probe: The number of the probe in flight, 0 for none.
        probes: The number of the last probe.
        rng: Draws the jitter.
    """

    longest: float
    threshold: int = THRESHOLD
    failures: int = 0
    openings: int = 0
    reopens: float = 0.0
    probe: int = 0
    probes: int = 0
    rng: random.Random = field(default_factory=random.Random, repr=False)

    def state(self, now: float) -> BreakerState:
        """Return the state at the moment `now`."""
        if not self.openings:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.reopens else BreakerState.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Return whether a call may pass now."""
        return not self.openings or (now >= self.reopens and not self.probe)

    def begin(self) -> int:
        """Let a call pass; return its number if it is the probe, else 0. The caller reports how the call ends."""
        if not self.openings:
            return 0
        self.probes += 1
        self.probe = self.probes
        return self.probe

    def succeeded(self) -> None:
        """Close the breaker: a call succeeded, so the server works, no matter when the call began."""
        self.failures = self.openings = self.probe = 0

    def failed(self, now: float, probe: int = 0) -> None:
        """Count a failed call. A call that began before the breaker opened is ignored, and so is an earlier probe."""
        probed = bool(probe) and probe == self.probe
        if self.openings and not probed:
            return
        self.failures += 1
        if probed or self.failures >= self.threshold:
            self._open(now)

    def abandoned(self, probe: int = 0) -> None:
        """End a call that says nothing about the server: it was cancelled, or was itself wrong."""
        if probe == self.probe:
            self.probe = 0

    def _open(self, now: float) -> None:
        pause = min(self.longest, FIRST_PAUSE * 2.0 ** min(self.openings, 30))
        self.openings += 1
        self.reopens = now + pause * self.rng.uniform(0.5, 1.0)
        self.probe = 0
