"""`society train`: begin, go on, show, and the messages of what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulation.training.ledger import LEDGER
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

BEGIN = ("train", "dilemma_tables", "--set", "training.method=exact")


def test_train_begins_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, *BEGIN, "--updates", "2")
    assert code == 0, err
    folder = Path(out.splitlines()[-1])
    told = [line.split("  ")[0] for line in err.splitlines() if line.startswith("update ")]
    assert told == ["update 1/2", "update 2/2"]
    assert "value a step" in out
    assert "ann" in out
    code, out, _ = society(capsys, "train", str(folder), "--updates", "3", "--json")
    assert code == 0
    assert {row["update"] for row in json.loads(out)["updates"]} == {0, 1, 2, 3}
    code, out, _ = society(capsys, "train", "show", str(folder))
    assert code == 0
    assert out.splitlines()[-1] == str(folder.resolve())


def test_train_refuses_other_settings_for_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, *BEGIN, "--updates", "1")
    code, _, err = society(capsys, "train", out.splitlines()[-1], "--seed", "7")
    assert code == 2
    assert "goes on with its own scenario" in err


def test_train_names_the_nearest_training(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "train", "dilemma_table")
    assert code == 2
    assert "did you mean dilemma_tables" in err


def test_train_of_a_scenario_without_learners_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("play.yaml").write_text(
        "name: play\nmode: competitive\nroster: with_scripted_players\n"
        "tasks: [{task_id: t, task_type: prisoners_dilemma}]\n"
    )
    code, _, err = society(capsys, "train", "play.yaml")
    assert code == 2
    assert "no `training` section" in err


def test_show_of_a_training_that_made_no_update_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, *BEGIN, "--updates", "1")
    folder = Path(out.splitlines()[-1])
    (folder / LEDGER).write_bytes(b"")
    code, out, _ = society(capsys, "train", "show", str(folder))
    assert code == 0
    assert "no update is made yet" in out


def test_tables_have_no_adapter_to_export(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, *BEGIN, "--updates", "1")
    code, _, err = society(capsys, "train", "export", out.splitlines()[-1], "ann")
    assert code == 1
    assert "it has no adapter to export" in err


def test_train_shows_what_the_gate_decided(capsys: pytest.CaptureFixture[str]) -> None:
    gate = ("--set", "training.gate={every: 1, held_out: [always_defect], delta: 0.1}", "--set", "mode=cooperative")
    gate += ("--set", "training.adapter.learning_rate=10.0")
    code, out, err = society(capsys, *BEGIN, *gate, "--updates", "2", "--json")
    assert code == 0, err
    assert "differences are computed exactly" in err
    gates = json.loads(out)["gates"]
    assert {row["verdict"] for row in gates} == {"refused"}
    assert {row["partner"] for row in gates} == {"company", "always_defect"}
    code, out, _ = society(capsys, "train", "show", json.loads(out)["folder"])
    assert code == 0
    assert "refused" in out
    assert "(exact)" in out


def test_held_out_partner_that_is_met_is_a_mistake_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gated.yaml").write_text(
        "name: gated\nmode: competitive\nroster: with_scripted_players\n"
        "tasks: [{task_id: t, task_type: prisoners_dilemma}]\n"
        "training:\n  learners: {a: {}}\n  method: reinforce\n"
        "  gate: {held_out: [grim, tit_for_tit], delta: 0.1}\n"
    )
    code, out, err = society(capsys, "validate", "gated.yaml")
    assert code
    assert "no policy is called 'tit_for_tit'" in out + err
    assert "gated.yaml:8" in (out + err).replace(" ", "") or "line 8" in out + err


def test_replay_and_fork_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, *BEGIN, "--updates", "3")
    folder = out.splitlines()[-1]
    code, out, err = society(capsys, "study", "replay", folder)
    assert code == 0, err
    assert "3 updates came out as they were recorded, 8 versions with the same digests" in out
    code, out, err = society(capsys, "train", folder, "--fork", "2", "--updates", "3")
    assert code == 0, err
    fork = out.splitlines()[-1]
    assert fork != folder
    code, out, _ = society(capsys, "study", "replay", fork, "--json")
    assert code == 0
    assert json.loads(out)["skipped"] == [2]
    code, _, err = society(capsys, "train", "dilemma_tables", "--fork", "2")
    assert code == 2
    assert "give the training's folder" in err
