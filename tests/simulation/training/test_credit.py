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


def test_prompt_that_was_met_once_is_compared_within_its_step() -> None:
    played = acts((0, 0, HERE, "c"), (1, 0, THERE, "d"))
    to_go = {(0, 0, "ann"): 2.0, (1, 0, "ann"): 6.0}
    credit = credited(played, to_go, {0: "t", 1: "t"}, {})
    assert [sample.weight for sample in credit.samples] == pytest.approx([-1.0, 1.0])
    assert credit.means == {"ann/t/0/decide": 4.0}


def test_only_reply_of_a_step_has_the_last_mean_of_the_step() -> None:
    played, to_go = acts((0, 0, HERE, "c")), {(0, 0, "ann"): 7.0}
    assert credited(played, to_go, {0: "t"}, {"ann/t/0/decide": 4.0}).samples[0].weight > 0
    assert credited(played, to_go, {0: "t"}, {}).samples[0].weight == 0.0  # nothing to compare with yet


def test_step_alone_gives_no_advantage() -> None:
    """Payoffs that are the same whatever is done teach nothing, also where every prompt is met once."""
    played = acts(*((e, s, prompt(f"{e} {s}", "c", "d"), "c") for e in range(3) for s in range(5)))
    to_go = {(e, s, "ann"): 5.0 - s for e in range(3) for s in range(5)}
    credit = credited(played, to_go, dict.fromkeys(range(3), "t"), {})
    assert {sample.weight for sample in credit.samples} == {0.0}


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
