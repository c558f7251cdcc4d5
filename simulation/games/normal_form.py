"""A game in normal form: players, their actions and a payoff for each combination; its equilibria in one step. Pure.

Sources: Nash, Annals of Mathematics 54 (1951); von Neumann, Mathematische Annalen 100 (1928), for two players whose
payoffs have a constant sum; Nisan, Roughgarden, Tardos & Vazirani, Algorithmic Game Theory (2007), algorithm 3.4, for
the enumeration of supports.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from math import isclose, prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLOSE = 1e-9
MOST_SUPPORT_ACTIONS = 8
"""The most actions of a player with which supports are enumerated; 12,869 pairs of supports have equal size then."""

JointAction = tuple[int, ...]
Strategies = tuple[tuple[float, ...], ...]
"""For each player, the probability of each of its actions."""


@dataclass(frozen=True)
class NormalForm:
    """A payoff table.

    Args:
        shape: The number of actions of each player.
        payoffs: For each combination of actions, the payoff of each player; the last player's action changes fastest.
    """

    shape: tuple[int, ...]
    payoffs: tuple[tuple[float, ...], ...]

    @cached_property
    def table(self) -> dict[JointAction, tuple[float, ...]]:
        """The payoffs by combination of actions."""
        return dict(zip(product(*map(range, self.shape)), self.payoffs, strict=True))

    @cached_property
    def optimum(self) -> float:
        """The largest sum of payoffs."""
        return max(map(sum, self.payoffs))

    @cached_property
    def constant_sum(self) -> bool:
        """Whether the sum of payoffs is always the same."""
        return all(isclose(sum(cell), self.optimum, rel_tol=CLOSE, abs_tol=CLOSE) for cell in self.payoffs)

    def alternatives(self, joint: JointAction, player: int) -> list[float]:
        """Return what each action of `player` earns it if all others play their part of `joint`."""
        changed = ((*joint[:player], action, *joint[player + 1 :]) for action in range(self.shape[player]))
        return [self.table[each][player] for each in changed]

    def expected(self, strategies: Strategies) -> tuple[float, ...]:
        """Return each player's expected payoff."""
        totals = [0.0] * len(self.shape)
        for joint, cell in self.table.items():
            chance = prod(each[action] for each, action in zip(strategies, joint, strict=True))
            totals = [total + chance * payoff for total, payoff in zip(totals, cell, strict=True)]
        return tuple(totals)

    def welfare_of_actions(self, player: int) -> tuple[float, ...]:
        """Return the expected sum of payoffs for each action of `player` if all others choose uniformly."""
        sums, each = [0.0] * self.shape[player], prod(self.shape) / self.shape[player]
        for joint, cell in self.table.items():
            sums[joint[player]] += sum(cell) / each
        return tuple(sums)


@lru_cache(maxsize=256)
def best_equilibrium(form: NormalForm) -> Strategies | None:
    """Return the equilibrium with the largest expected sum of payoffs, of those that are found; None if none is.

    All equilibria in pure actions are found. Of two players, so are those in mixed actions: by a linear programme if
    payoffs have a constant sum, else by enumeration of supports of equal size (up to `MOST_SUPPORT_ACTIONS` actions).
    Of equally good ones, it is the first: pure ones come before mixed ones, in the order of the table.
    """
    found = [*_pure(form)]
    if len(form.shape) == 2 and not (found and form.constant_sum):
        found += [_maximin(form)] if form.constant_sum else _mixed(form)
    return max(found, key=lambda each: round(sum(form.expected(each)), 9), default=None)


def _pure(form: NormalForm) -> Iterator[Strategies]:
    for joint, cell in form.table.items():
        if all(cell[player] >= max(form.alternatives(joint, player)) - CLOSE for player in range(len(form.shape))):
            yield tuple(
                tuple(float(action == chosen) for action in range(count))
                for chosen, count in zip(joint, form.shape, strict=True)
            )


def _matrices(form: NormalForm) -> tuple[Floats, Floats]:
    """Return both players' payoffs, own actions in rows."""
    import numpy as np

    cells = np.array(form.payoffs).reshape(*form.shape, 2)
    return cells[:, :, 0], cells[:, :, 1].T


def _maximin(form: NormalForm) -> Strategies:
    """Return what secures each of two players the most; in a game of constant sum this is an equilibrium."""
    import numpy as np
    from scipy.optimize import linprog

    found = []
    for own in _matrices(form):
        actions, answers = own.shape
        result = linprog(
            np.append(np.zeros(actions), -1.0),
            A_ub=np.hstack([-own.T, np.ones((answers, 1))]),
            b_ub=np.zeros(answers),
            A_eq=[[1.0] * actions + [0.0]],
            b_eq=[1.0],
            bounds=[(0, 1)] * actions + [(None, None)],
        )
        found.append(_shares(result.x[:actions]))
    return tuple(found)


def _mixed(form: NormalForm) -> list[Strategies]:
    """Return the equilibria of two players with supports in at least two actions each, as many for both.

    Ties do not hide all of them: an action of a support may have the probability 0.
    """
    if max(form.shape) > MOST_SUPPORT_ACTIONS:
        return []
    (rows, columns), (first, second) = form.shape, _matrices(form)
    found: list[Strategies] = []
    for size in range(2, min(rows, columns) + 1):
        for mine, theirs in product(combinations(range(rows), size), combinations(range(columns), size)):
            others, own = _indifferent(first, mine, theirs), _indifferent(second, theirs, mine)
            if others is not None and own is not None:
                found.append((_shares(own), _shares(others)))
    return found


def _indifferent(payoffs: Floats, support: JointAction, answers: JointAction) -> Floats | None:
    """Return the mixture of `answers` to which every action of `support` is a best response; None without one."""
    import numpy as np

    size = len(support)
    left = np.zeros((size + 1, size + 1))
    left[:size, :size] = payoffs[np.ix_(support, answers)]
    left[:size, size], left[size, :size] = -1.0, 1.0
    try:
        solved = np.linalg.solve(left, np.append(np.zeros(size), 1.0))
    except np.linalg.LinAlgError:
        return None
    mixture = np.zeros(payoffs.shape[1])
    mixture[list(answers)] = solved[:size]
    sound = np.isfinite(solved).all() and mixture.min() >= -CLOSE
    return mixture if sound and (payoffs @ mixture).max() <= solved[size] + CLOSE else None


def _shares(values: Floats) -> tuple[float, ...]:
    """Return the numbers as probabilities, without the solver's rounding errors."""
    kept = [value if value > CLOSE else 0.0 for value in map(float, values)]
    return tuple(value / sum(kept) for value in kept)
