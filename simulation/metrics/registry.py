"""Where metrics are registered, and the interval every estimate comes with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

REGISTERED: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """A named function; `meaning` is the first line of its docstring, `source` the paper it is from."""

    name: str
    meaning: str
    source: str
    function: Callable[..., Any]


def metric(source: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Register a function as the metric of its name."""

    def register(function: Callable[P, T]) -> Callable[P, T]:
        name, meaning = function.__name__, (function.__doc__ or "").strip().split("\n")[0]
        if name in REGISTERED:
            raise ValueError(f"two metrics are called {name}")
        REGISTERED[name] = Metric(name, meaning, source, function)
        return function

    return register


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval: `level` in (0, 1), `n` independent units behind it."""

    low: float
    value: float
    high: float
    level: float
    n: int

    def excludes(self, null: float = 0.0) -> bool:
        """Whether `null` lies outside the interval."""
        return not self.low <= null <= self.high
