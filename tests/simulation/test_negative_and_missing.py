"""A run whose game knows no equilibrium, or whose payoffs are negative: nash and gini are missing, all else works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.roster import ModelConfig
from simulation.authoring.files import check_file
from simulation.pictures.course import episodes_of
from simulation.plan import Plan
from simulation.plan_warnings import plan_warnings
from simulation.runs.replay import replay_run
from simulation.runs.runner import run_scenario
from simulation.studies.compare.report import compare_runs
from simulation.task import TrainingTask

POLICIES_OF = {"a": "always_defect", "b": "always_cooperate", "c": "tit_for_tat", "d": "grim"}
ROWS = tuple(ModelConfig(model_id=name, policy="greedy_harvester") for name in ("a", "b", "c"))
GREED = TrainingTask(task_id="sea", task_type="commons", max_steps=5)
LOSS = TrainingTask(
    task_id="loss",
    task_type="prisoners_dilemma",
    max_steps=3,
    parameters={"temptation": 3, "reward": 2, "punishment": -1, "sucker": -2},
)


def test_run_without_a_known_equilibrium(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(rows=ROWS, mode="competitive", tasks=(GREED,), episodes=2), out=runs)
    assert run.episodes["nash"].isna().all()
    assert run.outcomes["nash"].isna().all()
    assert run.episodes["gini"].notna().all()
    assert [each.nash for each in episodes_of(run)] == [None, None]
    assert replay_run(run.path, out=runs).run.episodes["nash"].isna().all()


def test_run_with_negative_payoffs_has_no_gini(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, policy="always_defect") for name in ("a", "b"))
    run = run_scenario(make_plan(rows=rows, mode="competitive", tasks=(LOSS,), episodes=3), out=runs)
    assert run.episodes["gini"].isna().all()
    assert [each.gini for each in episodes_of(run)] == [None] * 3
    assert run.outcomes["reward_earned"].sum() == pytest.approx(3 * LOSS.reward_pool)
    other = run_scenario(make_plan(rows=rows, mode="competitive", tasks=(LOSS,), episodes=3, seed=4), out=runs)
    figures = compare_runs(run.path, other.path).table().set_index("figure")
    assert "gini" not in figures.index


def test_rewards_are_those_of_the_game_shifted_to_0(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, policy=policy) for name, policy in POLICIES_OF.items())
    shifted = {name: value + 2 for name, value in LOSS.parameters.items()}
    rewards = [
        run_scenario(make_plan(rows=rows, mode="competitive", tasks=(task,)), out=runs)
        .outcomes["reward_earned"]
        .tolist()
        for task in (LOSS, LOSS.model_copy(update={"parameters": shifted}))
    ]
    assert rewards[0] == pytest.approx(rewards[1])
    assert len(set(rewards[0])) > 1


TURNS = TrainingTask(task_id="turns", task_type="prisoners_dilemma", parameters={"temptation": 9})


def test_run_and_validate_warn_of_a_dilemma_where_turns_pay(
    make_plan: Callable[..., Plan], runs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = make_plan(mode="competitive", tasks=(TURNS,), episodes=1)
    (warning,) = plan_warnings(plan)
    assert warning.startswith("tasks.0.parameters: 2 * reward (6) is not above temptation + sucker (9)")
    logger = logging.getLogger("society.notice")
    logger.addHandler(caplog.handler)  # a command run earlier in this process stops its records from going further
    try:
        run_scenario(plan, out=runs)
    finally:
        logger.removeHandler(caplog.handler)
    assert warning in caplog.text
    file = tmp_path / "turns.yaml"
    file.write_text(
        "name: turns\nmode: competitive\nroster: first_contact\ntasks:\n  - {task_id: a, task_type: "
        "prisoners_dilemma, parameters: {temptation: 9}}\n"
    )
    assert check_file(str(file)) == ("scenario", plan_warnings(plan))
    assert check_file("first_contact").warnings == ()
