"""A figure that is compared with a known answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LearnedFigure:
    """A figure of a training and the range that it must be in, ends included."""

    case: str
    figure: str
    low: float
    high: float
    got: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the figure is in its range."""
        return self.low <= self.got <= self.high
