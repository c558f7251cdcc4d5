"""Learners meet latest and past versions and policies, by shares of an update's episodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.problems import InvalidFileError
from simulation.plan import Settings, make_plan
from simulation.sections.opponents import OpponentsConfig
from simulation.training.ledger import Ledger
from simulation.training.opponents import episodes_by_kind, priorities
from simulation.training.replay import replay_training
from simulation.training.run import begin_training, train
from simulation.training.shipped import shipped_trainings
from simulation.training.tables import load_training
from tests.simulation.training.conftest import small_plan

SHARES = {"latest": 0.5, "past": 0.25, "scripted": 0.25, "policies": ["tit_for_tat", "always_defect"]}
MIXED = {"method": "reinforce", "episodes": 8, "updates": 4, "opponents": SHARES}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = begin_training(small_plan(training=MIXED), tmp_path_factory.mktemp("trained"))
    train(folder)
    return folder


@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1), st.integers(1, 200)
)  # the last share is above 0, so that there is one
def test_episodes_are_divided_by_share(latest: float, past: float, scripted: float, episodes: int) -> None:
    config = OpponentsConfig(latest=latest, past=past, scripted=scripted, policies=("grim",))
    counts = episodes_by_kind(config, episodes)
    total = latest + past + scripted
    assert sum(counts.values()) == episodes
    for kind, share in (("latest", latest), ("past", past), ("scripted", scripted)):
        assert abs(counts[kind] - episodes * share / total) < 1


def test_past_versions_are_earlier_ones_of_the_other(trained: Path) -> None:
    lines = Ledger(trained).lines
    for line in lines[2:]:
        before = {each.learners["bo"].version for each in lines[: line.update - 1]}
        (met,) = (each for each in line.meetings["ann"] if each.kind == "past")
        assert met.opponents["bo"] in before
        assert met.episodes == 2


def test_only_the_learner_learns_from_a_past_or_scripted_lineup(trained: Path) -> None:
    table = load_training(trained).updates
    samples = table[table["update"] == 1].set_index("learner")["samples"]
    assert samples.to_dict() == {"ann": 16, "bo": 16}  # 8 episodes of 2 steps each, of which 4 were played together


def test_who_was_met_is_a_table(trained: Path) -> None:
    table = load_training(trained).opponents
    assert table.groupby(["learner", "kind"])["episodes"].sum().to_dict() == {
        (name, kind): count for name in ("ann", "bo") for kind, count in (("latest", 16), ("past", 8), ("scripted", 8))
    }
    assert set(table[table["kind"] == "scripted"]["opponent"]) <= {"tit_for_tat", "always_defect"}
    defectors = table[table["opponent"] == "always_defect"]
    assert (defectors["value"] <= 1.0).all()  # nobody earns more than the punishment against it


def test_training_that_stops_between_updates_meets_the_same(trained: Path, begin: Callable[..., Path]) -> None:
    parts = begin(training=MIXED)
    for update in (1, 3, 4):
        train(parts, updates=update)
    assert [line.meetings for line in Ledger(parts).lines] == [line.meetings for line in Ledger(trained).lines]
    assert Ledger(parts).latest == Ledger(trained).latest


def test_opponents_are_replayed(trained: Path) -> None:
    assert replay_training(trained).updates == 4


def test_learner_answers_the_policies_that_it_meets(tmp_path: Path) -> None:
    """Against partners that defect whatever happens, and nobody else, defecting is all that pays."""
    opponents = {"latest": 0, "scripted": 1, "policies": ["always_defect"]}
    training = {"method": "reinforce", "episodes": 32, "updates": 8, "opponents": opponents, "learners": {"ann": {}}}
    folder = begin_training(small_plan(steps=1, training=training), tmp_path)
    train(folder)
    values = load_training(folder).updates.set_index("update")["value"]
    assert values[1] == pytest.approx(0.5, abs=0.3)
    assert values[8] > 0.9


def test_prioritised_opponents_are_the_hardest() -> None:
    earned: dict[str, Any] = {"easy": [3.0, 3.0], "hard": [1.0], "middle": [2.0]}
    assert priorities(["easy", "hard", "middle", "new"], earned) == [0.05, 1.0, 0.25, 1.0]
    assert priorities(["easy", "new"], {"easy": [1.0]}) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"method": "exact"}, "only the method reinforce meets opponents by share"),
        ({"opponents": {"past": 0.01}}, "less than one"),
        ({"opponents": {"latest": 0}}, "names no opponent"),
        ({"opponents": {**SHARES, "latest": float("inf")}}, "latest"),
        ({"opponents": {**SHARES, "past": 1e308}}, "past"),
        ({"opponents": {"scripted": 1}}, "policies.* is missing"),
        ({"opponents": {**SHARES, "policies": ["tit_for_tar"]}}, "no policy is called 'tit_for_tar'"),
        ({"learners": {"ann": {}}}, "no other learner"),
        ({"gate": {"held_out": ["tit_for_tat"], "episodes": 64}}, "met in the training: training.opponents.policies"),
    ],
)
def test_opponents_that_cannot_be_met_are_refused(training: dict[str, Any], message: str) -> None:
    plain = shipped_trainings()["rock_paper_scissors"]
    changes = {f"training.{key}": value for key, value in {**MIXED, **training}.items()}
    with pytest.raises(InvalidFileError, match=message):
        make_plan(plain, Settings(set=changes))
