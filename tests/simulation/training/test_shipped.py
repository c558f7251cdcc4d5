"""The shipped trainings: valid, named as their files, and those of tables learn."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.plan import make_plan
from simulation.training.methods.exact import situations_of
from simulation.training.rollout import is_tabular
from simulation.training.run import config_of
from simulation.training.shipped import shipped_trainings
from simulation.training.start import resume_training, train_scenario

TRAININGS = shipped_trainings()


@pytest.mark.parametrize("name", TRAININGS)
def test_shipped_training_is_valid_and_can_begin(name: str) -> None:
    plan = make_plan(TRAININGS[name])
    assert plan.scenario.name == name
    assert plan.scenario.description
    if config_of(plan).computes:
        assert situations_of(plan)


@pytest.mark.parametrize("name", [name for name in TRAININGS if is_tabular(make_plan(TRAININGS[name]))])
def test_shipped_training_of_tables_learns_and_goes_on(name: str, tmp_path: Path) -> None:
    training = train_scenario(name, updates=1, out=tmp_path)
    assert training.updates["update"].max() == 1
    more = resume_training(training.path, updates=2)
    assert more.updates["update"].max() == 2
    assert len(set(more.updates["digest"])) > 2
