"""What is given twice, or for nothing, is refused before anything is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures
SWEEP = """name: rosters
mode: competitive
roster: first_contact
tasks:
  - {task_id: dilemma, task_type: prisoners_dilemma, max_steps: 1}
inference: {tiers: [simulated]}
sweep: {roster: [first_contact, competitors]}
"""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["first_contact", "--seeds", "2", "--grid", "seed=7,8"], "--seeds and --grid seed= both give seeds"),
        (["first_contact", "--grid", "seed=1", "--grid", "seed=2"], "--grid seed is there twice"),
        (
            ["first_contact", "--replace", "ada=defector", "--replace", "ada=cooperator"],
            "--replace ada= is there twice",
        ),
        (["sweep.yaml", "--replace", "ada=defector"], "--replace changes rows of the scenario's roster"),
        (["first_contact", "--grid", "roster=competitors", "--replace", "ada=defector"], "--replace changes rows"),
    ],
)
def test_what_would_be_lost_is_refused(arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sweep.yaml").write_text(SWEEP)
    code, _, err = society(capsys, "run", *arguments, "--tier", "simulated")
    assert code == 2
    assert why in err
    assert not Path("runs").exists()


@pytest.mark.parametrize("command", ["show", "view"])
def test_command_without_runs_says_what_to_play(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, command)
    assert code == 1
    assert "there is no folder runs here; play something first" in err
