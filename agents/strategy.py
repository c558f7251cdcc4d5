"""Derive a model's strategy from its role, the task and the mode. Pure.

| mode        | stance      | teamwork_level        |
|-------------|-------------|-----------------------|
| cooperative | cooperative | cooperation_level     |
| competitive | competitive | 0                     |
| team_battle | team        | cooperation_level     |

A competitor competes in every mode. `communication` needs teamwork_level > 0.3, `resource_sharing` > 0.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from agents.role import ModelRole

COMMUNICATION_ABOVE = 0.3
RESOURCE_SHARING_ABOVE = 0.7


class TrainingMode(str, Enum):
    """The mode says who hears whom and who gets which reward (`simulation.modes`); mixed picks another per episode."""

    COOPERATIVE = "cooperative"
    COMPETITIVE = "competitive"
    TEAM_BATTLE = "team_battle"
    MIXED = "mixed"


class Stance(str, Enum):
    """What a strategy aims for: the group's payoff, the model's own, or its team's."""

    COOPERATIVE = "cooperative"
    COMPETITIVE = "competitive"
    TEAM = "team"


class DecisionMaking(str, Enum):
    """How a model is told to decide."""

    CENTRALIZED = "centralized"
    DELEGATED = "delegated"
    CONSENSUS = "consensus"
    INDEPENDENT = "independent"


class HorizonFacts(Protocol):
    """The attributes of a horizon that prompts use; `simulation.task.Horizon` has them."""

    @property
    def chance(self) -> float:
        """The chance that another step follows, above 0 and below 1."""
        ...

    @property
    def at_most(self) -> int:
        """The most steps of an episode."""
        ...

    @property
    def announced(self) -> bool:
        """Whether models are told."""
        ...


class TaskFacts(Protocol):
    """The attributes of a task that strategies and prompts use; `simulation.TrainingTask` has them."""

    @property
    def task_id(self) -> str:
        """The task's name."""
        ...

    @property
    def task_type(self) -> str:
        """The game."""
        ...

    @property
    def difficulty(self) -> float:
        """The difficulty, from 0 to 1."""
        ...

    @property
    def reward_pool(self) -> float:
        """The reward that is shared out at the end."""
        ...

    @property
    def cooperation_level(self) -> float:
        """How much the task rewards cooperation, from 0 to 1."""
        ...

    @property
    def horizon(self) -> HorizonFacts | None:
        """How chance ends an episode; None where the number of steps is fixed and models know it."""
        ...


@dataclass(frozen=True)
class Strategy:
    """What role, task and mode prescribe; `teamwork_level` is from 0 to 1."""

    mode: Stance
    teamwork_level: float
    communication: bool
    resource_sharing: bool
    leadership: bool
    decision_making: DecisionMaking


_STANCES = {
    TrainingMode.COOPERATIVE: Stance.COOPERATIVE,
    TrainingMode.COMPETITIVE: Stance.COMPETITIVE,
    TrainingMode.TEAM_BATTLE: Stance.TEAM,
}

_DECISION_MAKING = {
    ModelRole.LEADER: DecisionMaking.CENTRALIZED,
    ModelRole.FOLLOWER: DecisionMaking.DELEGATED,
    ModelRole.TEAMMATE: DecisionMaking.CONSENSUS,
    ModelRole.COMPETITOR: DecisionMaking.INDEPENDENT,
    ModelRole.NEUTRAL: DecisionMaking.INDEPENDENT,
}


def derive_strategy(role: ModelRole, task: TaskFacts, mode: TrainingMode) -> Strategy:
    """Return the strategy of a model in `role` for `task`.

    Raises:
        ValueError: `mode` is mixed, which picks one of the other three before an episode starts.
    """
    if mode is TrainingMode.MIXED:
        raise ValueError("the mode is mixed; pick one of the other modes before deriving a strategy")
    stance = Stance.COMPETITIVE if role is ModelRole.COMPETITOR else _STANCES[mode]
    teamwork = 0.0 if stance is Stance.COMPETITIVE else task.cooperation_level
    return Strategy(
        mode=stance,
        teamwork_level=teamwork,
        communication=teamwork > COMMUNICATION_ABOVE,
        resource_sharing=teamwork > RESOURCE_SHARING_ABOVE,
        leadership=role is ModelRole.LEADER,
        decision_making=_DECISION_MAKING[role],
    )
