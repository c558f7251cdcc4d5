"""What a scorer takes and returns, and where scorers are registered."""

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
    """What marks measure. The marks of a `share` are 0 or 1."""

    name: str
    meaning: str
    share: bool = True


class Mark(NamedTuple):
    """The mark of one text. `tier` is the text's; `judge` names the model that gave the mark, if a model did."""

    measure: QualityMeasure
    episode: int
    model_id: str
    tier: str
    value: float
    judge: str = ""


@dataclass(frozen=True)
class Judge:
    """The model that grades.

    Attributes:
        adapter: The adapter (or the base model) by its served name.
        endpoints: The servers' URLs.
        tier: The only tier to use.

    Raises:
        UsageError: The tier has no language model.
    """

    adapter: str
    endpoints: tuple[str, ...]
    tier: Tier = Tier.HTTP

    def __post_init__(self) -> None:
        if self.tier not in JUDGE_TIERS:
            allowed = ", ".join(tier.value for tier in JUDGE_TIERS)
            raise UsageError(f"--tier {self.tier.value}: a judge is a language model; use one of {allowed}")


class Material:
    """A run for scorers; what several of them need is computed once."""

    def __init__(self, run: Run, judge: Judge | None = None) -> None:
        self.run = run
        self.judge = judge

    @cached_property
    def options(self) -> Mapping[DecisionPoint, tuple[Option, ...]]:
        """The options at every decision, in finished episodes."""
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
    """Register a function as the scorer of its name.

    Args:
        source: Where it is defined.
        measures: What its marks measure.
        synthetic: Its marks are a formula over words.
        secondary: Its marks are a model's opinion.
    """

    def register(function: Score) -> Score:
        name, meaning = function.__name__, (function.__doc__ or "").strip().split("\n")[0]
        if name in REGISTERED:
            raise ValueError(f"two scorers are called {name}")
        REGISTERED[name] = Scorer(name, meaning, source, tuple(measures), function, synthetic, secondary)
        return function

    return register
