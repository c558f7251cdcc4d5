"""What an episode's players earned and did so far: sums whose size does not grow with the number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from simulation.games.measures import least, tidy


class Everyone(NamedTuple):
    """Sum and number of the last step's cooperation levels of all players, and the two lowest levels of the episode."""

    total: float
    known: int
    lowest: tuple[float, ...]


@dataclass(frozen=True)
class Tally:
    """Running sums per player. Its size does not grow with the number of steps."""

    step: int
    payoff: tuple[float, ...]
    accuracy: tuple[float, ...]
    cooperation: tuple[float, ...]
    valid: tuple[int, ...]
    last_cooperation: tuple[float | None, ...]
    worst_cooperation: tuple[float | None, ...]
    last_payoff: tuple[float, ...]

    @cached_property
    def everyone(self) -> Everyone:
        """Sums over all players, computed once a step: each observation then costs the same in a group of any size."""
        last = [level for level in self.last_cooperation if level is not None]
        worst = sorted(level for level in self.worst_cooperation if level is not None)
        return Everyone(sum(last), len(last), tuple(worst[:2]))

    def after(self, payoffs: tuple[float, ...], accuracies: Sequence[float], levels: Sequence[float | None]) -> Tally:
        """Return the tally after one more step; a level of None is an invalid decision."""
        return Tally(
            step=self.step + 1,
            payoff=_plus(self.payoff, payoffs),
            accuracy=_plus(self.accuracy, accuracies),
            cooperation=_plus(self.cooperation, [level or 0.0 for level in levels]),
            valid=tuple(n + (level is not None) for n, level in zip(self.valid, levels, strict=True)),
            last_cooperation=tuple(levels),
            worst_cooperation=tuple(least(a, b) for a, b in zip(self.worst_cooperation, levels, strict=True)),
            last_payoff=payoffs,
        )

    def others(self, player: int) -> tuple[float | None, float | None]:
        """Return the mean last and the lowest cooperation level of all but `player`; None where there is none."""
        own, own_worst, everyone = self.last_cooperation[player], self.worst_cooperation[player], self.everyone
        count = everyone.known - (own is not None)
        mean = tidy((everyone.total - (own or 0.0)) / count) if count else None
        lowest = list(everyone.lowest)
        if own_worst in lowest:
            lowest.remove(own_worst)
        return mean, (lowest[0] if lowest else None)


def _plus(sums: Sequence[float], parts: Sequence[float]) -> tuple[float, ...]:
    return tuple(total + part for total, part in zip(sums, parts, strict=True))
