"""Real adapters of the embedded model, from nothing, through the same call as the command: what theory says."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulation.training.export import export_version, roster_row
from simulation.training.start import train_scenario

pytestmark = pytest.mark.embedded


@pytest.mark.parametrize(("name", "choice"), [("dilemma_independent", "defect"), ("dilemma_shared", "cooperate")])
def test_adapters_become_what_their_objective_asks(name: str, choice: str, tmp_path: Path) -> None:
    training = train_scenario(name, updates=3, out=tmp_path, set={"tasks.0.max_steps": 1})
    cells = training.cells[training.cells["choice"] == choice]
    first, last = (cells[cells["update"] == update]["probability"] for update in (1, 3))
    assert len(last) == 2  # the first step of each
    assert (first < 0.9).all()
    assert (last > 0.9).all()
    assert (training.updates["invalid"] == 0).all()


def test_sharing_adapter_is_refused_by_a_gate_that_defects(tmp_path: Path) -> None:
    gate = {"every": 2, "held_out": ["always_defect"], "delta": 0.1}
    changes = {"tasks.0.max_steps": 1, "training.updates": 2, "training.gate": gate}
    gates = train_scenario("dilemma_gated", out=tmp_path, set=changes).gates
    assert set(gates["verdict"]) == {"refused"}
    company, defect = (gates[gates["partner"] == partner] for partner in ("company", "always_defect"))
    assert company["passed"].all()
    assert (defect["difference"] < -0.1).all()


def test_trained_adapter_leaves_and_plays(tmp_path: Path) -> None:
    training = train_scenario("dilemma_independent", updates=1, out=tmp_path, set={"tasks.0.max_steps": 1})
    place = export_version(training, "ann", tmp_path / "adapters", name="negotiator")
    assert {path.name for path in place.iterdir()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    card = (place / "README.md").read_text(encoding="utf-8")
    assert training.ledger.lines[-1].learners["ann"].digest in card
    assert "adapter: " in roster_row(training, "ann", place)


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
