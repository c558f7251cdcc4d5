"""What a scorer is given, what it gives, and where scorers are registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.provenance import Tier
from agents.players.observation import Option
from agents.problems import UsageError
from simulation.tables.reconstruct import DecisionPoint, options_of

if TYPE_CHECKING:
    from simulation.tables.run import Run


JUDGE_TIERS = (Tier.CAMEL, Tier.HTTP, Tier.EMBEDDED)


class QualityMeasure(NamedTuple):
    """What marks measure; a `share` is a mean of zeros and ones."""

    name: str
    meaning: str
    share: bool = True


class Mark(NamedTuple):
    """One text's mark. `tier` is where the text came from; `judge` names the model that gave the mark, if one did."""

    measure: QualityMeasure
    episode: int
    model_id: str
    tier: str
    value: float
    judge: str = ""


@dataclass(frozen=True)
class Judge:
    """Who grades: `adapter` by its served name, at `tier` only.

    Raises UsageError for a tier without a language model.
    """

    adapter: str
    endpoints: tuple[str, ...]
    tier: Tier = Tier.HTTP

    def __post_init__(self) -> None:
        if self.tier not in JUDGE_TIERS:
            allowed = ", ".join(tier.value for tier in JUDGE_TIERS)
            raise UsageError(f"--tier {self.tier.value}: a judge is a language model; use one of {allowed}")


class Material:
    """A run as scorers see it; what several of them need is worked out once."""

    def __init__(self, run: Run, judge: Judge | None = None) -> None:
        self.run = run
        self.judge = judge

    @cached_property
    def options(self) -> Mapping[DecisionPoint, tuple[Option, ...]]:
        """What each player could choose, by moment, in finished episodes."""
        return options_of(self.run)


Score = Callable[[Material], Iterable[Mark]]


@dataclass(frozen=True)
class Scorer:
    """A named scorer; `meaning` is the first line of its docstring, `source` where it is defined.

    `synthetic` marks a formula over words; `secondary` a model's opinion. Neither is a measurement.
    """

    name: str
    meaning: str
    source: str
    measures: tuple[QualityMeasure, ...]
    score: Score
    synthetic: bool
    secondary: bool


REGISTERED: dict[str, Scorer] = {}


def scorer(
    source: str, *, measures: Sequence[QualityMeasure], synthetic: bool = False, secondary: bool = False
) -> Callable[[Score], Score]:
    """Register a function as the scorer of its name."""

    def register(function: Score) -> Score:
        name, meaning = function.__name__, (function.__doc__ or "").strip().split("\n")[0]
        if name in REGISTERED:
            raise ValueError(f"two scorers are called {name}")
        REGISTERED[name] = Scorer(name, meaning, source, tuple(measures), function, synthetic, secondary)
        return function

    return register
