"""Messages are credited with what was paid more than in the same episode without them."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.inference.provenance import ChatMessage, Purpose
from agents.learning.samples import Prompt
from agents.problems import InvalidFileError
from agents.role import ModelRole
from simulation import load_run
from simulation.engine.treat import treat
from simulation.plan import Settings, make_plan
from simulation.training.credit import LearnerAct, credited
from simulation.training.replay import replay_training
from simulation.training.shipped import shipped_trainings
from simulation.training.start import train_scenario
from simulation.training.tables import Training
from simulation.training.twins import message_effects
from simulation.treatment import Treatment

HUNT = shipped_trainings()["stag_hunt_tables"]
TALK = Prompt("ann", (ChatMessage("user", "speak"),), ("stag", "hare"))
CHOICE = Prompt("ann", (ChatMessage("user", "choose"),), ("stag", "hare"))


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return train_scenario("stag_hunt_tables", out=tmp_path_factory.mktemp("hunt"))


# -- the credit -------------------------------------------------------------------------------------------


def test_message_is_paid_what_its_twin_was_not() -> None:
    acts = [LearnerAct(number, 0, TALK, "stag", Purpose.TALK) for number in range(3)]
    acts += [LearnerAct(number, 0, CHOICE, "stag") for number in range(3)]
    to_go = {(0, 0, "ann"): 4.0, (1, 0, "ann"): 5.0, (2, 0, "ann"): 9.0}
    twins = {(0, 0, "ann"): 1.0, (1, 0, "ann"): 5.0}  # the third twin ended before this step
    credit = credited(acts, to_go, dict.fromkeys(range(3), "t"), {}, twins=twins)
    gains = np.array([sample.weight for sample in credit.samples])
    talk, choice = np.array([3 - 4.5, 0 - 6, 9 - 1.5]), np.array([4 - 7, 5 - 6.5, 9 - 4.5])
    assert gains == pytest.approx(np.concatenate([talk, choice]) / np.concatenate([talk, choice]).std())


def test_effect_is_the_mean_difference_per_step() -> None:
    to_go = {(number, 0, "ann"): 4.0 + number for number in range(8)}
    twins = {(number, 0, "ann"): 1.0 for number in range(8)}
    effect = message_effects(to_go, twins, [2] * 8)["ann"]
    assert effect.value == pytest.approx(np.mean([(3 + number) / 2 for number in range(8)]))
    assert effect.low < effect.value < effect.high


# -- only one sender is silenced ------------------------------------------------------------------------------


def test_only_the_named_senders_are_silenced() -> None:
    inboxes: Any = [[SimpleNamespace(sender=1), SimpleNamespace(sender=2)], [SimpleNamespace(sender=2)]]
    heard = treat(Treatment.SILENCED, inboxes, [ModelRole.NEUTRAL] * 3, random.Random(1), [2])
    assert [[arrival.sender for arrival in inbox] for inbox in heard] == [[1], []]


def test_twin_silences_the_learner_and_nobody_else(training: Training) -> None:
    (twin,) = (training.path / "rollouts" / "0001" / "silenced-ann").iterdir()
    messages = load_run(twin).messages
    heard = messages.assign(heard=messages["audience"].map(len)).groupby("sender", observed=True)["heard"].max()
    assert heard.to_dict() == {"ann": 0, "bo": 1}


# -- learning -------------------------------------------------------------------------------------------------


def test_table_learns_to_say_what_helps(training: Training) -> None:
    rows = training.updates.set_index("update")
    first, last = rows.loc[1], rows.loc[12]
    assert first["message_effect_low"] < 0.5 < first["message_effect_high"] + 0.5
    assert last["message_effect_low"] > 1.5  # 2.5: the hunt of two against the hunt of one, in everyone's mean
    assert last["value"] > 3.6  # of 4


def test_twins_are_replayed(tmp_path: Path) -> None:
    changes = {"training.episodes": 4}
    found = train_scenario("stag_hunt_tables", out=tmp_path, set=changes, updates=2)
    assert replay_training(found.path).updates == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"communication.talk_rounds": 0}, "nobody is heard"),
        ({"mode": "competitive"}, "nobody is heard"),
        ({"communication.treatment": "shuffled"}, "would lift the treatment of the others"),
        ({"training.opponents": {"scripted": 1, "policies": ["grim"]}}, "leave opponents or message_credit out"),
        ({"training.method": "exact"}, "only the method reinforce credits messages"),
        ({"mode": "mixed"}, "picks each episode's mode by those before it"),
        ({"communication.senders": ["eve"]}, "no model is called 'eve'"),
    ],
)
def test_twins_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidFileError, match=message):
        make_plan(HUNT, Settings(set=changes))


def test_without_twins_no_effect_is_claimed(tmp_path: Path) -> None:
    found = train_scenario("stag_hunt_tables", out=tmp_path, set={"training.message_credit": "return"}, updates=1)
    assert found.updates["message_effect"].isna().all()
    assert not list(found.path.glob("rollouts/*/silenced-*"))
