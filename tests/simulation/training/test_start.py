"""A training that begins where another one left its learners."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError, UsageError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.training.run import begin_training, train
from simulation.training.start import continued, train_scenario
from simulation.training.tables import load_training
from tests.integration.vllm.tiny_model import tiny_model

ROWS = tuple(ModelConfig(model_id=name, model_name="base") for name in ("ann", "bo"))


@pytest.fixture
def adapters(training_plan: Callable[..., Plan]) -> Callable[..., Plan]:
    """Make the plan of a training of real adapters on a tiny base, in one step of the dilemma."""

    def make(*learners: str, rate: float = 5e-3) -> Plan:
        training = {"base_model": str(tiny_model().base), "updates": 1, "adapter": {"learning_rate": rate, "rank": 4}}
        plan = training_plan(rows=ROWS, steps=1, training=training)
        config = plan.scenario.training
        assert config is not None
        mine = {name: each for name, each in config.learners.items() if name in learners}
        partners = {row.model_id: ("always_defect",) for row in ROWS if row.model_id not in learners}
        changed = config.model_copy(update={"learners": mine, "partners": partners})
        rows = tuple(
            row if row.model_id in learners else ModelConfig(model_id=row.model_id, policy="random") for row in ROWS
        )
        return Plan(
            plan.scenario.model_copy(update={"training": changed}), plan.roster.model_copy(update={"models": rows})
        )

    return make


def test_learners_begin_with_the_weights_that_another_training_left(
    adapters: Callable[..., Plan], tmp_path: Path
) -> None:
    first = begin_training(adapters("ann"), tmp_path / "first")
    train(first)
    left = load_training(first).ledger.lines[-1].learners["ann"].digest
    second = train_scenario(adapters("ann", "bo"), begin=first, out=tmp_path / "second")
    start = second.ledger.lines[0].learners
    assert start["ann"].digest == left
    assert start["bo"].digest != left  # it was not among the first training's learners
    assert second.ledger.lines[1].learners["ann"].digest != left


def test_a_training_without_a_learner_in_common_is_refused(adapters: Callable[..., Plan], tmp_path: Path) -> None:
    first = begin_training(adapters("ann"), tmp_path)
    train(first)
    with pytest.raises(UsageError, match="has no version of bo; its learners: ann"):
        continued(adapters("bo"), first)


def test_tables_cannot_begin_where_others_left_them(
    training_plan: Callable[..., Plan], begin: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match="tables begin undecided"):
        continued(training_plan(), begin())


def test_a_folder_without_a_training_is_named(adapters: Callable[..., Plan], tmp_path: Path) -> None:
    with pytest.raises(SocietyError, match="holds no training"):
        continued(adapters("ann"), tmp_path)


def test_a_training_goes_on_where_what_it_began_with_is_gone(adapters: Callable[..., Plan], tmp_path: Path) -> None:
    first = begin_training(adapters("ann"), tmp_path / "first")
    train(first)
    moved, stayed = (
        train_scenario(adapters("ann"), begin=first, out=tmp_path / name).path for name in ("moved", "stayed")
    )
    train(stayed, updates=3)
    first.rename(tmp_path / "elsewhere")
    train(moved, updates=3)
    ends = [load_training(path).ledger.lines[-1].learners["ann"].digest for path in (moved, stayed)]
    assert ends[0] == ends[1]


def test_other_weights_than_the_ledger_names_are_refused(adapters: Callable[..., Plan], tmp_path: Path) -> None:
    first = begin_training(adapters("ann"), tmp_path)
    train(first)
    made = load_training(first).ledger.lines
    weights = first / "versions" / made[-1].learners["ann"].version / "adapter_model.safetensors"
    weights.write_bytes((first / "versions" / made[0].learners["ann"].version / weights.name).read_bytes())
    with pytest.raises(SocietyError, match="holds other weights than the ledger's"):
        continued(adapters("ann", "bo"), first)
