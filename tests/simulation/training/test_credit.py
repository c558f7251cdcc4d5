"""Credit: returns-to-go, leave-one-out baselines, and the sampled gradient against the exact one."""

from __future__ import annotations

import numpy as np
import pytest

from agents.inference.provenance import ChatMessage
from agents.learning.samples import Prompt
from simulation.training.credit import LearnerAct, credited


def prompt(text: str, *choices: str) -> Prompt:
    return Prompt("ann", (ChatMessage("user", text),), choices)


HERE, THERE = prompt("here", "c", "d"), prompt("there", "c", "d")


def acts(*found: tuple[int, int, Prompt, str]) -> list[LearnerAct]:
    return [LearnerAct(*each) for each in found]


def test_advantage_is_the_return_less_the_mean_of_the_others() -> None:
    played = acts((0, 0, HERE, "c"), (1, 0, HERE, "d"), (2, 0, HERE, "d"))
    to_go = {(0, 0, "ann"): 1.0, (1, 0, "ann"): 5.0, (2, 0, "ann"): 3.0}
    credit = credited(played, to_go, dict.fromkeys(range(3), "t"), {})
    gains = np.array([sample.weight for sample in credit.samples])
    expected = np.array([1 - 4, 5 - 2, 3 - 3])
    assert gains == pytest.approx(expected / expected.std())
    assert credit.returns == {"ann": pytest.approx(3.0)}


def test_prompt_that_was_met_once_has_the_running_mean_as_baseline() -> None:
    played = acts((0, 0, HERE, "c"), (1, 0, THERE, "d"))
    to_go = {(0, 0, "ann"): 2.0, (1, 0, "ann"): 6.0}
    credit = credited(played, to_go, {0: "t", 1: "t"}, {"ann/t/decide": 4.0})
    assert [sample.weight for sample in credit.samples] == pytest.approx([-1.0, 1.0])
    assert credit.means == {"ann/t/decide": 4.0}  # of this update, for the next
    first = credited(played, to_go, {0: "t", 1: "t"}, {})
    assert [sample.weight for sample in first.samples] == [0.0, 0.0]  # nothing to compare with yet


def test_invalid_replies_are_counted_and_not_learned_from() -> None:
    played = acts((0, 0, HERE, "maybe"), (1, 0, HERE, "d"), (2, 0, HERE, "c"))
    to_go = {(episode, 0, "ann"): float(episode) for episode in range(3)}
    credit = credited(played, to_go, dict.fromkeys(range(3), "t"), {})
    assert [sample.picked for sample in credit.samples] == ["d", "c"]
    assert credit.invalid == {"ann": pytest.approx(1 / 3)}


def test_equal_returns_teach_nothing() -> None:
    played = acts(*((episode, 0, HERE, "cd"[episode % 2]) for episode in range(6)))
    to_go = {(episode, 0, "ann"): 2.5 for episode in range(6)}
    credit = credited(played, to_go, dict.fromkeys(range(6), "t"), {})
    assert {sample.weight for sample in credit.samples} == {0.0}
