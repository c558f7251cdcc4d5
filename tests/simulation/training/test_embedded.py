"""Real adapters of the embedded model, from nothing, through the same call as the command: what theory says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from simulation.training.export import export_version, roster_row
from simulation.training.start import train_scenario
from simulation.training.tables import Training

pytestmark = pytest.mark.embedded
UPDATES = 3


@pytest.fixture(scope="module")
def independent(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two adapters that learned the dilemma of one step, each for itself."""
    return learned("dilemma_independent", tmp_path_factory.mktemp("independent"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Two adapters that learned it for both, and the gate after their last update."""
    gate = {"every": UPDATES, "held_out": ["always_defect"], "delta": 0.1}
    return learned("dilemma_shared", tmp_path_factory.mktemp("shared"), {"training.gate": gate})


def learned(name: str, out: Path, changes: Mapping[str, object] = MappingProxyType({})) -> Training:
    return train_scenario(name, updates=UPDATES, out=out, set={"tasks.0.max_steps": 1, **changes})


@pytest.mark.xdist_group("independent")
def test_adapters_that_learn_for_themselves_defect(independent: Training) -> None:
    assert_learned(independent, "defect")


@pytest.mark.xdist_group("shared")
def test_adapters_that_learn_for_both_cooperate(shared: Training) -> None:
    assert_learned(shared, "cooperate")


def assert_learned(training: Training, choice: str) -> None:
    """Both learners come to a choice that they made less often at first."""
    cells = training.cells[training.cells["choice"] == choice]
    first, last = (cells[cells["update"] == update]["probability"] for update in (1, UPDATES))
    assert len(last) == 2  # the first step of each
    assert (first < 0.9).all()
    assert (last > 0.9).all()
    assert (training.updates["invalid"] == 0).all()


@pytest.mark.xdist_group("shared")
def test_sharing_adapter_is_refused_by_a_gate_that_defects(shared: Training) -> None:
    gates = shared.gates
    assert set(gates["verdict"]) == {"refused"}
    company, defect = (gates[gates["partner"] == partner] for partner in ("company", "always_defect"))
    assert company["passed"].all()
    assert (defect["difference"] < -0.1).all()


@pytest.mark.xdist_group("independent")
def test_trained_adapter_leaves_and_plays(independent: Training, tmp_path: Path) -> None:
    place = export_version(independent, "ann", tmp_path / "adapters", name="negotiator")
    assert {path.name for path in place.iterdir()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    card = (place / "README.md").read_text(encoding="utf-8")
    assert independent.ledger.lines[-1].learners["ann"].digest in card
    assert "adapter: " in roster_row(independent, "ann", place)


def test_shaped_adapters_keep_to_punish_and_exact_ones_forget_it(tmp_path: Path) -> None:
    after_both_defected = {}
    for method in ("advantage_alignment", "exact"):
        training = train_scenario("dilemma_shaped", updates=2, out=tmp_path, set={"training.method": method})
        cells = training.cells[(training.cells["choice"] == "cooperate") & (training.cells["learner"] == "ann")]
        cells = cells[cells["situation"].str.contains("you chose defect") & cells["situation"].str.endswith("defect.")]
        assert cells["update"].tolist() == [1, 2]
        after_both_defected[method] = cells["probability"].tolist()
    assert after_both_defected["advantage_alignment"][1] < after_both_defected["advantage_alignment"][0] < 0.1
    assert after_both_defected["exact"][1] > 0.4
