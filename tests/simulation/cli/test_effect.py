"""`society study effect` and `society study metrics` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

EFFECT = ("study", "effect", "first_contact", "--tier", "simulated", "--episodes", "2", "--treatment", "silenced")


def test_effect_command_prints_table_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, *EFFECT)
    assert code == 0
    assert "delivered - treated" in out
    assert "SIMULATED replies follow a policy" in out
    assert "episode 2/4" in err
    folder = Path(out.splitlines()[-1])
    assert {path.name for path in folder.iterdir()} == {"delivered", "silenced", "effect.json"}
    code, again, _ = society(capsys, "study", "effect", str(folder), "--json")
    assert code == 0
    assert json.loads(again) == json.loads((folder / "effect.json").read_text())


def test_effect_refuses_a_folder_without_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = society(capsys, "study", "effect", str(tmp_path))
    assert code == 1
    assert "holds no begun run" in err


@pytest.mark.parametrize("command", ["effect", "population"])
def test_studies_refuse_one_episode_as_an_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, command, "first_contact", "--tier", "simulated", "--episodes", "1")
    assert code == 2
    assert "greater than or equal to 2" in " ".join(err.split())


def test_metrics_of_a_run_have_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "6")
    path = out.splitlines()[-1]
    code, out, _ = society(capsys, "study", "metrics", path, "--json")
    assert code == 0
    (iqm,) = (
        row
        for row in json.loads(out)["rows"]
        if (row["metric"], row["part"]) == ("iqm", "efficiency: welfare / optimum")
    )
    assert iqm["interval"]["low"] <= iqm["value"] <= iqm["interval"]["high"]
    code, out, _ = society(capsys, "study", "metrics", path)
    assert code == 0
    assert "optimality_gap" in out
    assert "Agarwal et al., NeurIPS 2021" in out
    assert "too few" not in out


def test_metrics_of_one_pass_have_no_interval_and_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "1")
    path = out.splitlines()[-1]
    code, out, _ = society(capsys, "study", "metrics", path)
    assert code == 0
    assert "no interval: too few passes through the tasks: 1, need 6" in " ".join(out.split())
    _, out, _ = society(capsys, "study", "metrics", path, "--json")
    assert {row["interval"]["low"] for row in json.loads(out)["rows"] if row["metric"] == "iqm"} == {None}


def test_metrics_of_a_run_without_episodes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    only_words = ("--set", "tasks=[{task_id: t, task_type: strategy, max_steps: 1}]", "--roster")
    Path("r.yaml").write_text("name: r\nmodels: [{model_id: a, policy: random}, {model_id: b, policy: random}]\n")
    _, out, _ = society(capsys, "run", "first_contact", *only_words[:2], "--set", "roster=r.yaml")
    code, _, err = society(capsys, "study", "metrics", out.splitlines()[-1])
    assert code == 1
    assert "no metric applies" in err


def test_outcomes_say_that_messages_were_treated(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("run", "first_contact", "--tier", "simulated", "--episodes", "1")
    assert "Messages were silenced" in society(capsys, *arguments, "--set", "communication.treatment=silenced")[1]
    assert "Messages were" not in society(capsys, *arguments)[1]
