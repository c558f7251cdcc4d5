"""How many calls one server is given at a time: additive increase, multiplicative decrease. Pure.

The limit starts at the most allowed. A call that meets overload (429, 503, a time-out) or comes back slow cuts it by a
factor; calls that come back in time while the limit is in use raise it again, by one for every limit's worth of them
(Chiu & Jain, Computer Networks and ISDN Systems 17, 1989). A batching server answers slower the more it has to do and
is right to, so slow is measured against the time-out and not against the quickest call.
"""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.7
SLOW_SHARE = 0.5


@dataclass
class AdaptiveLimit:
    """`most` calls at a time, fewer after trouble, one at least. `slow` is seconds; times are monotonic seconds."""

    most: int
    slow: float
    level: float = 0.0
    last_cut: float = float("-inf")

    def __post_init__(self) -> None:
        self.level = float(self.most)

    @property
    def value(self) -> int:
        """Calls in flight that are allowed now."""
        return max(1, int(self.level))

    def returned(self, began: float, now: float, in_flight: int) -> None:
        """A call came back whole; `in_flight` counts it."""
        if now - began > self.slow:
            self.overloaded(began, now)
        elif in_flight >= self.value:
            self.level = min(float(self.most), self.level + 1 / self.level)

    def overloaded(self, began: float, now: float) -> None:
        """A call met overload. Calls sent before the last cut tell of the time before it."""
        if began >= self.last_cut:
            self.level, self.last_cut = max(1.0, self.level * CUT), now
