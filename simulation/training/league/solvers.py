"""Meta-solvers: how likely each policy of two populations is met, from what policies earn against each other. Pure.

| solver | mixture |
|---|---|
| uniform | every policy as likely: fictitious play |
| nash | an equilibrium of the payoff matrix |
| alpha_rank | the share of time that an evolving pair of populations spends with a policy |
| prioritised | the more, the less the other's latest policy earns against it |

Sources: Lanctot et al., NeurIPS 2017 (PSRO); Brown, in Activity Analysis of Production and Allocation (1951), for
fictitious play; Omidshafiei et al., Scientific Reports 9 (2019), for alpha-rank; Muller et al., ICLR 2020, for its
marginals as a mixture; Vinyals et al., Nature 575 (2019), for prioritised fictitious play; Taylor & Jonker,
Mathematical Biosciences 40 (1978), for the replicator dynamics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from simulation.games.normal_form import NormalForm, best_equilibrium
from simulation.metrics.arrays import Matrix, Vector
from simulation.sections.league import LeagueSolver

Mixtures = tuple[Vector, Vector]
SELECTION, GROUP, LEAST = 50.0, 50, 1e-12
"""Of alpha-rank: how strongly better payoffs win (over the spread of payoffs), the size of a population, and the least
chance of a mutant to replace it, without which the share of time may depend on the start."""
HARDNESS = 2.0
"""The power of prioritised fictitious play."""
_STEPS, _PACE = 5_000, 0.05


def mixtures(solver: LeagueSolver, first: Matrix, second: Matrix) -> Mixtures:
    """Return the probability of each policy of two populations.

    Args:
        solver: The solver.
        first: What the first population's policies (rows) earn against the second's (columns).
        second: What the second's policies (rows) earn against the first's (columns).
    """
    return SOLVERS[solver](first, second)


def uniform(first: Matrix, second: Matrix) -> Mixtures:
    """Return every policy as likely as the others."""
    rows, columns = len(first), len(second)
    return np.full(rows, 1 / rows), np.full(columns, 1 / columns)


def nash(first: Matrix, second: Matrix) -> Mixtures:
    """Return the equilibrium with the largest sum of payoffs; where none is found, where the replicators have been."""
    cells = np.stack([first, second.T], axis=-1)
    payoffs = tuple((float(one), float(other)) for one, other in cells.reshape(-1, 2))
    found = best_equilibrium(NormalForm(first.shape, payoffs))
    if found is None:
        return replicator(first, second)
    return np.array(found[0]), np.array(found[1])


def replicator(first: Matrix, second: Matrix) -> Mixtures:
    """Return the average over time of the replicator dynamics from uniform mixtures.

    In a game of constant sum the average tends to an equilibrium; in others it need not.
    """
    spread = max(float(np.ptp(first)), float(np.ptp(second))) or 1.0
    mine, theirs = uniform(first, second)
    sums = np.zeros(len(mine)), np.zeros(len(theirs))
    for _ in range(_STEPS):
        grown = mine * np.exp(_PACE * (first @ theirs) / spread), theirs * np.exp(_PACE * (second @ mine) / spread)
        mine, theirs = grown[0] / grown[0].sum(), grown[1] / grown[1].sum()
        sums[0][:] += mine
        sums[1][:] += theirs
    return sums[0] / _STEPS, sums[1] / _STEPS


def alpha_rank(first: Matrix, second: Matrix) -> Mixtures:
    """Return the share of time with each policy when rare mutants replace a population if they earn more."""
    chain = evolution(first, second)
    size = len(chain)
    left = np.vstack([(chain.T - np.eye(size))[1:], np.ones(size)])
    shares = np.linalg.solve(left, np.append(np.zeros(size - 1), 1.0)).clip(0)
    joint = (shares / shares.sum()).reshape(first.shape)
    return joint.sum(axis=1), joint.sum(axis=0)


def evolution(first: Matrix, second: Matrix) -> Matrix:
    """Return the chances to go from each pair of policies to each; pairs are numbered by rows of `first`."""
    rows, columns = first.shape
    ways = (rows - 1) + (columns - 1) or 1
    spread = max(float(np.ptp(first)), float(np.ptp(second))) or 1.0
    chain = np.zeros((rows * columns, rows * columns))
    for row in range(rows):
        for column in range(columns):
            here = row * columns + column
            for other in range(rows):
                if other != row:
                    gain = (first[other, column] - first[row, column]) / spread
                    chain[here, other * columns + column] = fixation(gain) / ways
            for other in range(columns):
                if other != column:
                    gain = (second[other, row] - second[column, row]) / spread
                    chain[here, row * columns + other] = fixation(gain) / ways
            chain[here, here] = 1 - chain[here].sum()
    return chain


def fixation(gain: float) -> float:
    """Return the chance that one mutant, which earns `gain` more (in spreads of payoffs), replaces a population."""
    strength = SELECTION * gain
    if abs(strength) < 1e-9:
        return 1 / GROUP
    if strength < 0:  # the same quotient, without powers that are too large
        return float(max(np.exp(strength * (GROUP - 1)) * np.expm1(strength) / np.expm1(strength * GROUP), LEAST))
    return float(np.expm1(-strength) / np.expm1(-strength * GROUP))


def prioritised(first: Matrix, second: Matrix) -> Mixtures:
    """Return each policy as likely as (1 - x)^2, x what the other's latest earns against it, scaled to 0 to 1."""
    return _hard(second[-1]), _hard(first[-1])


def _hard(earned: Vector) -> Vector:
    """Return weights of policies from what the other population's latest policy earns against each."""
    spread = float(np.ptp(earned))
    weights = (1 - (earned - earned.min()) / spread) ** HARDNESS if spread else np.ones(len(earned))
    return np.asarray(weights / weights.sum())


SOLVERS: Mapping[LeagueSolver, Callable[[Matrix, Matrix], Mixtures]] = {
    LeagueSolver.UNIFORM: uniform,
    LeagueSolver.NASH: nash,
    LeagueSolver.ALPHA_RANK: alpha_rank,
    LeagueSolver.PRIORITISED: prioritised,
}
"""What `training.league.solver` names."""
