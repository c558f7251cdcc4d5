"""Failures of single adapters at one server, kept apart from those of the server. Pure: times are arguments.

A server that answers for one adapter and fails for another is not down. So a failed call counts for its adapter, and
for the server only if the last calls of most adapters that were asked there have failed. An adapter that fails
`THRESHOLD` times in a row is not asked there for a while; the pause doubles as in `agents.inference.servers.breaker`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from agents.inference.servers.breaker import FIRST_PAUSE, THRESHOLD


@dataclass
class _Failing:
    """An adapter whose last call failed: its failures in a row, its pauses so far, and the end of the last one."""

    failures: int = 0
    pauses: int = 0
    until: float = 0.0


@dataclass
class AdapterFaults:
    """The adapters that were asked at one server, and those of them that fail.

    Args:
        longest: The longest pause, in seconds.
        rng: Draws the jitter of pauses.
    """

    longest: float
    rng: random.Random = field(default_factory=random.Random, repr=False)
    _asked: set[str] = field(default_factory=set)
    _failing: dict[str, _Failing] = field(default_factory=dict)

    def succeeded(self, adapter: str) -> None:
        """Note that a call to an adapter succeeded."""
        self._asked.add(adapter)
        if self._failing:
            self._failing.pop(adapter, None)

    def failed(self, adapter: str, now: float) -> bool:
        """Count a failed call to an adapter. Return whether the server may be at fault, as most adapters fail."""
        self._asked.add(adapter)
        state = self._failing.setdefault(adapter, _Failing())
        state.failures += 1
        if state.failures >= THRESHOLD and now >= state.until:
            pause = min(self.longest, FIRST_PAUSE * 2.0 ** min(state.pauses, 30))
            state.pauses += 1
            state.until = now + pause * self.rng.uniform(0.5, 1.0)
        return 2 * len(self._failing) > len(self._asked)

    def rest(self, adapter: str, until: float) -> None:
        """Note until when an adapter asked for no calls."""
        self._asked.add(adapter)
        state = self._failing.setdefault(adapter, _Failing())
        state.until = max(state.until, until)

    def pauses(self, adapter: str) -> int:
        """Return how many pauses an adapter has had since it last answered."""
        state = self._failing.get(adapter)
        return state.pauses if state else 0

    def until(self, adapter: str) -> float:
        """Return the moment until which an adapter is not asked; 0 if it may be asked."""
        state = self._failing.get(adapter) if self._failing else None
        return state.until if state else 0.0

    def clear(self) -> None:
        """Forget all failures: the server was started again."""
        self._failing.clear()
