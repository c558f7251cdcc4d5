"""The known answers of learning come out, and a wrong sign anywhere in learning does not pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.learning.samples import Sample
from simulation.metrics.registry import Interval
from simulation.studies.verify import learning, learning_cases, sampled
from simulation.studies.verify.learning import LearnedFigure
from simulation.studies.verify.learning_cases import LEARNING_CASES
from simulation.training import credit, objectives
from simulation.training.gate import decision, power
from simulation.training.graph import GameGraph, StrategyProfile
from simulation.training.methods import aligned_credit
from simulation.training.tabular import TabularTrainer
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures


@pytest.fixture(autouse=True)
def _fewer_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "SEEDS", 2)
    monkeypatch.setattr(learning, "NULLS", 40)
    monkeypatch.setattr(learning, "PLANTED", 40)


@pytest.mark.parametrize("case", LEARNING_CASES, ids=lambda case: case.__name__.strip("_"))
def test_known_answer_of_learning(case: Callable[[], list[LearnedFigure]]) -> None:
    found = list(case())
    assert found
    assert [figure for figure in found if not figure.passed] == []


@pytest.mark.slow
def test_gate_errs_and_sees_as_published_in_200_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "NULLS", 200)
    monkeypatch.setattr(learning, "PLANTED", 200)
    assert [figure for figure in learning._gates() if not figure.passed] == []


def off() -> int:
    dilemmas, *_ = LEARNING_CASES
    return sum(not figure.passed for figure in dilemmas())


def test_wrong_sign_of_the_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = StrategyProfile.gradient
    flipped = lambda self, weights: [tuple(-v for v in row) for row in gradient(self, weights)]  # noqa: E731
    monkeypatch.setattr(StrategyProfile, "gradient", flipped)
    assert off()


def negated(*arguments: Any) -> list[Sample]:
    return [replace(each, weight=-each.weight) for each in credit.advantages(*arguments)]


def own_reply_included(returns: np.ndarray, _episodes: np.ndarray) -> np.ndarray:
    return np.full(len(returns), returns.mean())


@pytest.mark.parametrize(
    ("home", "name", "fault"),
    [(sampled, "advantages", negated), (credit, "_leave_episode_out", own_reply_included)],
    ids=["sign", "baseline"],
)
def test_wrong_credit_is_found(monkeypatch: pytest.MonkeyPatch, home: Any, name: str, fault: Any) -> None:
    (case,) = (each for each in LEARNING_CASES if each.__name__ == "_sampled_gradients")
    monkeypatch.setattr(home, name, fault)
    assert [figure.passed for figure in case()][:2] == [False, False]


@pytest.mark.parametrize(
    ("name", "fault"),
    [("_others", lambda gains: gains), ("_carried", lambda values, *_: dict.fromkeys(values, 0.1))],
    ids=["others", "past"],
)
def test_wrong_alignment_is_found(monkeypatch: pytest.MonkeyPatch, name: str, fault: Any) -> None:
    endless = {"horizon": {"continue": 0.8, "at_most": 1000}}
    graph = GameGraph(
        learning.silent_table("prisoners_dilemma", (None, None), **endless), discount=0.8, stationary=True
    )
    monkeypatch.setattr(aligned_credit, name, fault)
    trainer = TabularTrainer(spread=0.7, seed=7)
    assert sampled.alignment_errors_off(graph, trainer, alignment=10.0, updates=60, episodes=64) > 3


@pytest.mark.parametrize(
    ("home", "name", "fault", "passed"),
    [
        (decision, "decision_error", lambda *_: 0.3, [False, False, True]),
        (
            decision,
            "mean_interval",
            lambda values, **_: Interval(-9, float(np.mean(values)), 9, 0.95, 24),
            [True, False, False],
        ),
        (power, "decision_error", lambda *_: 0.4, [True, False, False]),
    ],
    ids=["no-budget", "never-promotes", "power-of-another-error"],
)
def test_wrong_gate_is_found(
    monkeypatch: pytest.MonkeyPatch, home: Any, name: str, fault: Any, passed: list[bool]
) -> None:
    (case,) = (each for each in LEARNING_CASES if each.__name__ == "_gates")
    monkeypatch.setattr(home, name, fault)
    assert [figure.passed for figure in case()] == passed


def test_wrong_sign_of_the_step_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    add = TabularTrainer._add

    def flipped(self: TabularTrainer, sample: Sample, *rest: object) -> np.ndarray:
        other = Sample(sample.prompt, values=tuple(-value for value in sample.values))
        return add(self, other, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(TabularTrainer, "_add", flipped)
    assert off()


def test_own_payoff_in_place_of_the_shared_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    own = objectives.payoff_weights
    monkeypatch.setattr(
        learning, "payoff_weights", lambda _objective, *rest: own(objectives.TrainingObjective.OWN, *rest)
    )
    assert off()


def test_verify_learning_prints_every_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_cases, "LEARNING_CASES", LEARNING_CASES[1:2])
    code, out, _ = society(capsys, "study", "verify", "--learning")
    assert (code, len(out.splitlines())) == (0, 1)  # the summary
    code, out, _ = society(capsys, "study", "verify", "--learning", "--verbose")
    assert code == 0
    assert "best response to tit_for_tat" in out
    code, out, _ = society(capsys, "study", "verify", "--learning", "--json")
    assert code == 0
    assert {each["passed"] for each in json.loads(out)["findings"]} == {True}
    broken = lambda: iter([LearnedFigure("planted", "figure", 0.0, 1.0, 2.0, "here")])  # noqa: E731
    monkeypatch.setattr(learning_cases, "LEARNING_CASES", (broken,))
    code, out, _ = society(capsys, "study", "verify", "--learning")
    assert code == 1
    assert "OFF" in out
