"""The shipped scorers, each on players with known marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError, UsageError
from agents.strategy import derive_strategy
from simulation.games.strategy import response_bonus
from simulation.plan import Plan
from simulation.quality import find_scorer, scorers
from simulation.quality.scorer import Material
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from simulation.task import TrainingTask
from tests.simulation.metrics.test_words import characters

Marks = dict[tuple[str, str], list[float]]


def marks(name: str, run: Run) -> Marks:
    """A scorer's marks by measure and model."""
    found: Marks = defaultdict(list)
    for mark in find_scorer(name).score(Material(run)):
        found[mark.measure.name, mark.model_id].append(mark.value)
    return found


def test_every_scorer_has_meaning_and_source() -> None:
    assert set(scorers()) >= {"consistency", "judge", "keyword", "parse"}
    for name, scorer in scorers().items():
        assert scorer.name == name
        assert scorer.meaning
        assert scorer.source
        assert scorer.measures
    assert scorers()["keyword"].synthetic
    assert scorers()["judge"].secondary
    measures = [measure.name for scorer in scorers().values() for measure in scorer.measures]
    assert len(measures) == len(set(measures))


def test_unknown_scorer_is_refused_with_the_nearest() -> None:
    with pytest.raises(SocietyError, match="did you mean consistency"):
        find_scorer("consistent")


def test_scorer_judge_needs_a_judge(make_plan: Callable[..., Plan], runs: Path) -> None:
    with pytest.raises(UsageError, match="--judge ADAPTER"):
        marks("judge", run_scenario(make_plan(), out=runs))


def test_consistency_separates_liars_from_vague_players(make_plan: Callable[..., Plan], runs: Path) -> None:
    found = marks("consistency", characters(make_plan, runs))
    assert found["announces", "vague"] == [0.0] * 4
    assert ("kept", "vague") not in found
    assert found["kept", "honest"] == [1.0] * 4
    assert found["kept", "liar"] == found["kept", "babbler"] == [0.0] * 4


def test_parse_separates_readable_from_legal(make_plan: Callable[..., Plan], runs: Path) -> None:
    found = marks("parse", characters(make_plan, runs))
    assert found["legal", "honest"] == found["first_ask", "honest"] == [1.0] * 4
    assert ("second_ask", "honest") not in found
    assert found["readable", "babbler"] == [1.0] * 4
    assert found["legal", "babbler"] == found["first_ask", "babbler"] == found["second_ask", "babbler"] == [0.0] * 4


def test_keyword_is_the_formula_of_the_strategy_game(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = characters(make_plan, runs)
    found = marks("keyword", run)
    for name, text in zip(run.messages["sender"], run.messages["text"], strict=True):
        assert found["bonus", name].pop(0) == response_bonus(text)


def test_the_strategy_game_pays_by_the_same_marks(make_plan: Callable[..., Plan], runs: Path) -> None:
    task = TrainingTask(task_id="s", task_type="strategy", max_steps=2)
    plan = make_plan(tasks=[task.model_dump()])
    run = run_scenario(plan, out=runs)
    found = marks("keyword", run)
    for config in plan.roster.expand():
        level = derive_strategy(config.role, task, plan.scenario.mode).teamwork_level
        payoffs = run.steps[run.steps["model_id"] == config.model_id]["payoff"]
        expected = [1 - task.difficulty + 0.2 * level + bonus for bonus in found["bonus", config.model_id]]
        assert list(payoffs) == pytest.approx(expected)
