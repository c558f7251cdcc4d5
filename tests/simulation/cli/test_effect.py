"""`society effect` and `society metrics` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.simulation.cli.test_app import _in_a_folder_of_its_own, _logging_as_it_was, society

__all__ = ["_in_a_folder_of_its_own", "_logging_as_it_was"]  # fixtures

EFFECT = ("effect", "first_contact", "--tier", "simulated", "--episodes", "2", "--treatment", "silenced")


def test_an_effect_ends_in_a_table_and_its_folder(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, *EFFECT)
    assert code == 0
    assert "delivered - treated" in out
    assert "SIMULATED minds" in out
    assert "episode 2/4" in err
    folder = Path(out.splitlines()[-1])
    assert {path.name for path in folder.iterdir()} == {"delivered", "silenced", "effect.json"}
    code, again, _ = society(capsys, "effect", str(folder), "--json")
    assert code == 0
    assert json.loads(again) == json.loads((folder / "effect.json").read_text())


def test_a_folder_without_runs_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = society(capsys, "effect", str(tmp_path))
    assert code == 1
    assert "holds no begun run" in err


def test_metrics_of_a_run_have_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "3")
    path = out.splitlines()[-1]
    code, out, _ = society(capsys, "metrics", path, "--json")
    assert code == 0
    iqm = json.loads(out)["efficiency"]["iqm"]
    assert iqm["low"] <= iqm["value"] <= iqm["high"]
    code, out, _ = society(capsys, "metrics", path)
    assert code == 0
    assert "optimality_gap" in out


def test_metrics_of_one_pass_are_refused_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "1")
    code, _, err = society(capsys, "metrics", out.splitlines()[-1])
    assert code == 1
    assert "run more episodes" in err


def test_a_run_with_treated_messages_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("run", "first_contact", "--tier", "simulated", "--episodes", "1")
    assert "Messages were silenced" in society(capsys, *arguments, "--set", "communication.treatment=silenced")[1]
    assert "Messages were" not in society(capsys, *arguments)[1]
