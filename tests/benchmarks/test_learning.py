"""The benchmark of the trainer compares equal work: eight prompts that begin alike, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from benchmarks.goals import Result
from benchmarks.learning import LEARNERS, ROWS, apart, decision_prompts, hidden_end, ratios, updates_of
from benchmarks.page import learning_rows
from simulation.plan import Plan
from simulation.training.methods.exact import graphs_of
from simulation.training.tabular import TabularTrainer


def first_words(texts: list[str]) -> set[str]:
    return {text[:20] for text in texts}


def test_prompts_of_decisions_begin_alike() -> None:
    prompts = decision_prompts()
    assert len(set(prompts)) == ROWS == len(LEARNERS)
    assert len(first_words([prompt.messages[0].content for prompt in prompts])) == 1
    assert len(first_words([prompt.messages[0].content for prompt in apart(prompts)])) == ROWS


def test_ratios_are_of_the_first_step_over_the_second() -> None:
    found, least = ratios({"long": lambda: sum(range(2_000_000)), "short": lambda: sum(range(200_000))}, 3)
    assert len(found) == 3
    assert min(found) > 1
    assert least["long"] > least["short"]


def test_hidden_end_leaves_five_situations_of_each_learner() -> None:
    (graph,) = graphs_of(hidden_end())
    assert [len(graph.cells_of(learner)) for learner in ("ann", "bo")] == [5, 5]


def test_computing_is_told_apart_from_bookkeeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of an update is the trainer's, a fifth is spent on writing versions."""
    slow: list[tuple[str, float]] = [("forward_backward", 0.5), ("save_weights", 0.1)]  # one of two learners each
    for name, seconds in slow:
        monkeypatch.setattr(TabularTrainer, name, _after(seconds, getattr(TabularTrainer, name)))
    plan = hidden_end()
    tables = tuple(row.model_copy(update={"model_name": None, "policy": "tabular"}) for row in plan.roster.models)
    wall, _cpu, other = updates_of(Plan(plan.scenario, plan.roster.model_copy(update={"models": tables})), 2)
    assert len(wall) == 2
    assert min(wall) > 0.7
    assert 0.2 < min(other) < max(other) + 0.4 < max(wall) + 0.01


def _after(seconds: float, work: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object) -> object:
        time.sleep(seconds)
        return work(*arguments)

    return call


def test_page_names_a_missed_goal_with_its_figure() -> None:
    facts = {"cpu": "a CPU", "cores": 2, "when": "today", "commit": "abc", "load": [0.1, 0, 0]}
    results = [Result(name, "s", (value,), 12, True, "x").as_json() for name, value in (("met", 9.0), ("late", 15.0))]
    lines = learning_rows({"machine": facts, "load_after": [2.0, 0, 0], "results": results})
    assert [line.strip() for line in lines if "Missed" in line] == ["Missed: late, 15 (at most 12 s)."]
    assert "| met | 9 / 9 / 9 | at most 12 s | yes | x |" in lines
