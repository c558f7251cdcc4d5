"""The section `training.league`: learners that answer a mixture of all earlier policies of their partner."""

from __future__ import annotations

from enum import Enum

from pydantic import Field

from agents.file_model import FileModel, Real, Whole


class LeagueSolver(str, Enum):
    """How the policies of a population are mixed.

    uniform: each as likely. nash: an equilibrium of the payoff matrix. alpha_rank: as often as evolution meets them.
    prioritised: the more, the less the partner's latest policy earns against it.
    """

    UNIFORM = "uniform"
    NASH = "nash"
    ALPHA_RANK = "alpha_rank"
    PRIORITISED = "prioritised"


class LeagueConfig(FileModel):
    """A population of each learner's policies, and when it is good enough."""

    solver: LeagueSolver = LeagueSolver.NASH
    """uniform, nash, alpha_rank or prioritised."""
    most: Whole = Field(default=8, ge=2, le=64)
    """The most policies of a learner, the one it begins with included."""
    oracle_updates: Whole = Field(default=20, ge=1)
    """Updates from the first version to a new policy."""
    epsilon: Real = Field(default=0.05, ge=0)
    """The league ends where NashConv, or in reinforce the sum of gains, is below this (points per step)."""
    width: Real = Field(default=0.5, gt=0)
    """reinforce only: pairs of policies play until each payoff's interval is at most this wide (points per step)."""
    matches: Whole = Field(default=96, ge=6)
    """reinforce only: the most episodes of a pair of policies."""

    @property
    def updates(self) -> int:
        """The updates of a league that does not end early."""
        return (self.most - 1) * self.oracle_updates
