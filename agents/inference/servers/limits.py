"""The number of calls that one server is given at a time: additive increase, multiplicative decrease. Pure.

The limit starts at its maximum. A call that meets overload (429, 503, a time-out) or comes back slowly cuts it by a
factor. Calls that come back in time while the limit is in use raise it again, by one for every limit's worth of them.
A batching server is right to answer more slowly the more calls it has, so slow is measured against the time-out and not
against the quickest call.

Source:
    Chiu & Jain, Computer Networks and ISDN Systems 17, 1989.
"""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.7
SLOW_SHARE = 0.5


@dataclass
class AdaptiveLimit:
    """A limit that adapts. Times are monotonic seconds.

    Args:
        most: The maximum of the limit; the minimum is 1.
        slow: Seconds after which a call counts as slow.
        level: The present limit, as a fraction.
        last_cut: The moment of the last cut.
    """

    most: int
    slow: float
    level: float = 0.0
    last_cut: float = float("-inf")

    def __post_init__(self) -> None:
        self.level = float(self.most)

    @property
    def value(self) -> int:
        """Return the number of calls in flight that is allowed now."""
        return int(self.level) if self.level >= 1 else 1

    def returned(self, began: float, now: float, in_flight: int) -> None:
        """Learn from a call that succeeded; `in_flight` counts it."""
        if now - began > self.slow:
            self.overloaded(began, now)
        elif in_flight >= self.value:
            self.level = min(float(self.most), self.level + 1 / self.level)

    def overloaded(self, began: float, now: float) -> None:
        """Cut the limit because a call met overload. A call sent before the last cut is ignored."""
        if began >= self.last_cut:
            self.level, self.last_cut = max(1.0, self.level * CUT), now
