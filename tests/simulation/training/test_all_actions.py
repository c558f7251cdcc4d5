"""In the last step of an episode every choice has a known worth, by the rules and what all others did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from agents.inference.provenance import ChatMessage
from agents.learning.samples import LossWeights, Prompt
from agents.roster import ModelConfig, Roster
from simulation import run_scenario
from simulation.metrics.arrays import Vector
from simulation.tables.run import Run
from simulation.training.all_actions import known_worths
from simulation.training.credit import LearnerAct, credited
from simulation.training.tabular import TabularTrainer

PAYS = {("cooperate", "cooperate"): 3.0, ("cooperate", "defect"): 0.0, ("defect", "cooperate"): 5.0,
        ("defect", "defect"): 1.0}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six episodes of a dilemma of two steps between players that draw."""
    return random_play("prisoners_dilemma", 2, 6, tmp_path_factory.mktemp("runs"))


def random_play(game: str, steps: int, episodes: int, out: Path) -> Run:
    rows = tuple(ModelConfig(model_id=name, policy="random") for name in ("ann", "bo"))
    scenario = {
        "name": "draws",
        "mode": "competitive",
        "roster": "two",
        "episodes": episodes,
        "tasks": [{"task_id": game, "task_type": game, "max_steps": steps}],
        "communication": {"talk_rounds": 0},
    }
    return run_scenario(scenario, roster=Roster(name="two", models=rows), out=out)


def own(_episode: int, model_id: str) -> Vector:
    """The objective own, for ann alone."""
    return np.array([1.0, 0.0]) if model_id == "ann" else np.zeros(2)


def partners_action(run: Run, episode: int, step: int) -> str:
    rows = run.decisions
    row = rows[(rows["episode"] == episode) & (rows["step"] == step) & (rows["model_id"] == "bo")]
    return str(row["action"].iloc[0])


def test_worths_are_what_each_choice_would_have_paid_in_the_last_step(run: Run) -> None:
    worths = known_worths(run, own)
    last = {where: worth for where, worth in worths.items() if worth}
    assert set(last) == {(episode, 1, "ann") for episode in range(6)}
    for (episode, step, _), worth in last.items():
        other = partners_action(run, episode, step)
        assert worth == {choice: PAYS[choice, other] for choice in ("cooperate", "defect")}
    assert {partners_action(run, episode, 1) for episode in range(6)} == {"cooperate", "defect"}


HERE = Prompt("ann", (ChatMessage("user", "here"),), ("c", "d"))


def lesson(worth: Mapping[str, float], reply: str, episodes: int = 4) -> TabularTrainer:
    """A learner that is nearly sure of c, after one update from episodes in which it said `reply`."""
    trainer = TabularTrainer(1.0)
    trainer.start_at(HERE, (0.999, 0.001))
    played = [LearnerAct(episode, 0, HERE, reply) for episode in range(episodes)]
    to_go = dict.fromkeys([act.where for act in played], worth["c"])
    samples = credited(played, to_go, dict.fromkeys(range(episodes), "t"), {}, {a.where: worth for a in played}).samples
    trainer.forward_backward(samples, LossWeights())
    trainer.optim_step("ann")
    return trainer


def test_learner_that_always_does_the_same_learns_from_the_rest() -> None:
    before = 0.001
    ((_, after),) = lesson({"c": 1.0, "d": 5.0}, "c").probabilities([HERE])
    assert after > before
    ((_, worse),) = lesson({"c": 5.0, "d": 1.0}, "c").probabilities([HERE])
    assert worse < before


def test_an_invalid_reply_teaches_the_worth_of_its_choices_too() -> None:
    valid, invalid = (lesson({"c": 1.0, "d": 5.0}, reply).probabilities([HERE]) for reply in ("c", "perhaps"))
    assert valid == invalid


def test_worths_are_less_their_mean_and_scaled_by_their_spread() -> None:
    act = LearnerAct(0, 0, HERE, "c")
    (sample,) = credited([act], {act.where: 100.0}, {0: "t"}, {}, {act.where: {"c": 100.0, "d": 104.0}}).samples
    assert sample.values == (-1.0, 1.0)


@pytest.mark.parametrize("steps", [2, 5])
def test_turn_game_with_a_step_left_over_has_a_last_step_too(steps: int, tmp_path: Path) -> None:
    worths = known_worths(random_play("trust", steps, 3, tmp_path), own)
    last = steps // 2 * 2 - 1
    assert {(episode, step) for (episode, step, _), worth in worths.items() if worth} == {(e, last) for e in range(3)}


def test_choice_after_which_something_would_follow_has_no_known_worth(tmp_path: Path) -> None:
    """In poker a check at first is answered; only the third step ends the hand, whatever is done."""
    worths = known_worths(random_play("kuhn_poker", 3, 30, tmp_path), own)
    menus = {(step, tuple(worth)) for (_, step, _), worth in worths.items() if worth}
    assert (2, ("call", "fold")) in menus
    assert all(step > 0 for step, _ in menus)
