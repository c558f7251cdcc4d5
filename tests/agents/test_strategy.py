"""What role, task and mode prescribe."""

from __future__ import annotations

import pytest

from agents.role import ModelRole
from agents.strategy import DecisionMaking, Stance, TrainingMode, derive_strategy
from simulation.task import TrainingTask


def task(level: float) -> TrainingTask:
    return TrainingTask(task_id="t", task_type="commons", cooperation_level=level)


@pytest.mark.parametrize(
    ("mode", "stance", "teamwork"),
    [
        (TrainingMode.COOPERATIVE, Stance.COOPERATIVE, 0.8),
        (TrainingMode.COMPETITIVE, Stance.COMPETITIVE, 0.0),
        (TrainingMode.TEAM_BATTLE, Stance.TEAM, 0.8),
    ],
)
def test_the_mode_sets_the_stance(mode: TrainingMode, stance: Stance, teamwork: float) -> None:
    strategy = derive_strategy(ModelRole.TEAMMATE, task(0.8), mode)
    assert (strategy.mode, strategy.teamwork_level) == (stance, teamwork)


@pytest.mark.parametrize("mode", [TrainingMode.COOPERATIVE, TrainingMode.TEAM_BATTLE])
def test_a_competitor_always_competes(mode: TrainingMode) -> None:
    strategy = derive_strategy(ModelRole.COMPETITOR, task(1.0), mode)
    assert strategy.mode is Stance.COMPETITIVE
    assert (strategy.teamwork_level, strategy.communication, strategy.resource_sharing) == (0.0, False, False)


@pytest.mark.parametrize(
    ("level", "communication", "sharing"),
    [(0.3, False, False), (0.31, True, False), (0.7, True, False), (0.71, True, True)],
)
def test_communication_and_sharing_follow_the_cooperation_level(
    level: float, communication: bool, sharing: bool
) -> None:
    strategy = derive_strategy(ModelRole.NEUTRAL, task(level), TrainingMode.COOPERATIVE)
    assert (strategy.communication, strategy.resource_sharing) == (communication, sharing)


def test_leadership_and_decisions_follow_the_role() -> None:
    found = {role: derive_strategy(role, task(0.5), TrainingMode.COOPERATIVE) for role in ModelRole}
    assert [role for role, strategy in found.items() if strategy.leadership] == [ModelRole.LEADER]
    assert found[ModelRole.LEADER].decision_making is DecisionMaking.CENTRALIZED
    assert found[ModelRole.FOLLOWER].decision_making is DecisionMaking.DELEGATED
    assert found[ModelRole.TEAMMATE].decision_making is DecisionMaking.CONSENSUS


def test_mixed_has_no_strategy() -> None:
    with pytest.raises(ValueError, match="mixed"):
        derive_strategy(ModelRole.LEADER, task(0.5), TrainingMode.MIXED)
