"""Where metrics of runs are registered, and the interval every estimate comes with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from simulation.tables.run import Run

P = ParamSpec("P")
T = TypeVar("T")

REGISTERED: dict[str, Metric] = {}


LEVEL = 0.95
"""The confidence level where none is given."""
LEAST_UNITS = 6
"""Independent units that an interval needs."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval.

    Attributes:
        low: Lower end; nan where there is no interval.
        value: The estimate.
        high: Upper end; nan where there is no interval.
        level: Confidence level, in (0, 1).
        n: Independent units behind the estimate.
        why: Why there is no interval; empty where there is one.
    """

    low: float
    value: float
    high: float
    level: float
    n: int
    why: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def constant(self) -> bool:
        """Whether there is no interval though there are enough units: all of them gave the same."""
        return not self.known and self.n >= LEAST_UNITS

    def excludes(self, null: float = 0.0) -> bool:
        """Whether `null` is outside the interval, or all units gave the same other value."""
        return self.value != null if self.constant else self.known and not self.low <= null <= self.high


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@dataclass(frozen=True)
class MetricInput:
    """How metrics get their arguments from runs.

    Attributes:
        parts: Takes runs, and whether tiers may be mixed; returns the arguments of each part by its name ("" where
            there is one part only). A metric has one value per part. Empty where its metrics do not apply.
        apply: Computes a metric from the arguments of a part; by default it calls the metric's function with them.
    """

    parts: Callable[[Sequence[Run], bool], Mapping[str, tuple[Any, ...]]]
    apply: Callable[..., Any] = _call


def _each_run(runs: Sequence[Run], _mix_tiers: bool) -> Mapping[str, tuple[Run]]:
    return {run.path.name if len(runs) > 1 else "": (run,) for run in runs}


EACH_RUN = MetricInput(_each_run)
"""For metrics that take a run: one value per run."""


@dataclass(frozen=True)
class Metric:
    """A named function; `meaning` is the first line of its docstring, `source` the paper it is from."""

    name: str
    meaning: str
    source: str
    function: Callable[..., Any]
    of: MetricInput


def metric(source: str, of: MetricInput = EACH_RUN) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Register a function as the metric of its name: `society study metrics` and the report show it.

    The function returns a number, an `Interval`, a mapping of names to these, or None where it does not apply. It may
    raise SocietyError; the message is shown in place of the value.

    Args:
        source: The paper or the place that defines the metric.
        of: Where the function's arguments come from.
    """

    def register(function: Callable[P, T]) -> Callable[P, T]:
        name, meaning = function.__name__, (function.__doc__ or "").strip().split("\n")[0]
        if name in REGISTERED:
            raise ValueError(f"two metrics are called {name}")
        REGISTERED[name] = Metric(name, meaning, source, function, of)
        return function

    return register
