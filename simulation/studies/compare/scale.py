"""How figures of unlike societies are made comparable: per player, per step, or as a share of the pool.

| what differs          | welfare      | payoff   | reward            | Gini     |
|-----------------------|--------------|----------|-------------------|----------|
| number of players     | per player   | as it is | left out          | left out |
| steps of an episode   | per step     | per step | as it is          | as it is |
| reward pool           | as it is     | as it is | share of the pool | as it is |

A Gini coefficient of n players is at most 1 - 1/n, and a player's reward is a part of a pool that n players share: with
other n neither can be compared. Efficiency, cooperation and accuracy are shares already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.studies.compare.result import ComparedFigure

if TYPE_CHECKING:
    import pandas as pd

SIZE = ("players", "steps", "reward_pool")
"""The columns that `ComparedSide.episodes` adds; steps and pool are those planned: an episode may end early by play."""
_WORDS = {"players": "players", "steps": "steps of an episode", "reward_pool": "reward pool"}


@dataclass(frozen=True)
class CompareScale:
    """What one task's figures are divided by.

    Attributes:
        task: The task.
        values: For each of `SIZE` that differs: its values on the two sides, as text.
    """

    task: str
    values: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, task: str, first: pd.DataFrame, other: pd.DataFrame) -> CompareScale:
        """Return the scale of the rows of two sides of a task."""
        found = {name: (_shown(first[name]), _shown(other[name])) for name in SIZE}
        return cls(task, {name: ends for name, ends in found.items() if ends[0] != ends[1]})

    def columns(self, figure: ComparedFigure) -> Sequence[str] | None:
        """Return the columns by which a figure is divided; None where it cannot be compared."""
        if figure in (ComparedFigure.GINI, ComparedFigure.REWARD) and "players" in self.values:
            return None
        of = {
            ComparedFigure.WELFARE: ("players", "steps"),
            ComparedFigure.PAYOFF: ("steps",),
            ComparedFigure.REWARD: ("reward_pool",),
        }
        return [name for name in of.get(figure, ()) if name in self.values]

    def unit(self, figure: ComparedFigure) -> str:
        """Return what a figure is per; empty where it is as it is."""
        names = self.columns(figure) or ()
        if "reward_pool" in names:
            return "share of the pool"
        parts = [name.removesuffix("s") for name in names]
        return f"per {' and '.join(parts)}" if parts else ""

    def notes(self, other: str) -> Iterator[str]:
        """Yield what differs in size, and what was done about it."""
        if not self.values:
            return
        differs = ", ".join(f"{_WORDS[name]} {one} against {two}" for name, (one, two) in self.values.items())
        units = [f"{figure.value} is {self.unit(figure)}" for figure in ComparedFigure if self.unit(figure)]
        left_out = [figure.value for figure in ComparedFigure if self.columns(figure) is None]
        if left_out:
            units.append(f"{' and '.join(left_out)} cannot be compared between societies of other sizes")
        yield f"NORMALISED: {other}, {self.task}: {differs}; {'; '.join(units)}"


def _shown(values: pd.Series[float]) -> str:
    """Return the values of a column, each once."""
    found = sorted({float(value) for value in values})
    return " or ".join(f"{value:g}" for value in found[:4]) + (" ..." if len(found) > 4 else "")
