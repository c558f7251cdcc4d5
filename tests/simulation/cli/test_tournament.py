"""`society study tournament` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulation.studies.tournament.results import load_tournament
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

ROSTER = """\
name: three
models: [{model_id: tit, policy: tit_for_tat}, {model_id: all, policy: always_cooperate}, {model_id: x, policy: random}]
"""
PAIRS = ("study", "tournament", "r.yaml", "--game", "chicken", "--steps", "1", "--episodes", "3", "--jobs", "1")
SIMULATED = ("--tier", "simulated")
TEAMS = (
    "study",
    "tournament",
    "two_teams",
    "--game",
    "blotto",
    "--mode",
    "team_battle",
    "--tier",
    "simulated",
    "--steps",
    "1",
)


def test_tournament_of_pairs_prints_tables_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("r.yaml").write_text(ROSTER)
    code, out, err = society(capsys, *PAIRS)
    assert code == 0, err
    assert "payoff of row against column" in " ".join(out.split())
    assert "standings" in out
    assert "synergy" in out
    assert "texts by tier: scripted 72" in out
    assert "not tested: too few episodes: 3, need 6" in " ".join(out.split())
    assert "match 6/6" in err
    folder = Path(out.splitlines()[-1])
    assert load_tournament(folder).report["game"] == "chicken"
    code, again, _ = society(capsys, "study", "tournament", str(folder), "--json")  # nothing is played again
    assert code == 0
    assert json.loads(again) == json.loads((folder / "report.json").read_text())
    assert len(list(folder.glob("matches/*/*/manifest.json"))) == 6


def test_tournament_of_teams_prints_shapley_values(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, *TEAMS, "--episodes", "2", "--jobs", "1")
    assert code == 0, err
    assert "Shapley value" in " ".join(out.split())
    assert "red_lead red_mate red_scout" in out
    assert "SIMULATED replies follow a policy" in out
    result = load_tournament(out.splitlines()[-1])
    assert len(result.compositions) == 2 * 2 * 7  # worths, teams, coalitions
    shares = result.contributions.query("worth == 'reward'").groupby("team", observed=True)["value"].sum()
    whole = result.compositions.query("worth == 'reward' and size == 3").set_index("team")["value"]
    assert shares["red"] == pytest.approx(whole["red"])
    assert shares["blue"] == pytest.approx(whole["blue"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("first_contact",), "--game is missing"),
        (("first_contact", "--game", "chiken"), "did you mean chicken?"),
        (("first_contact", "--game", "minority", "--tier", "simulated"), "two models cannot play this"),
        (("first_contact", "--game", "chicken", "--format", "pear"), "--format pear: did you mean pairs?"),
        (("first_contact", "--game", "chicken", "--tier", "cloud"), "--tier cloud"),
        (("first_contact", "--game", "chicken", "--set", "tasks.0.max_stepz=3"), "max_steps"),
        (("nowhere", "--game", "chicken"), "nowhere"),
    ],
)
def test_tournament_mistake_is_a_message_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = society(capsys, "study", "tournament", *arguments)
    assert code in (1, 2)
    assert message in err
    assert "Traceback" not in err
    assert list(Path().iterdir()) == []


def test_stopped_match_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(
        capsys, "tournament", "first_contact", "--game", "chicken", "--tier", "http", "--require", "http",
        "--endpoint", "http://127.0.0.1:9/v1", "--jobs", "1",
    )  # fmt: skip
    assert code == 1
    assert "tier http is required and failed" in err
    assert "society study tournament runs/tournament-chicken-" in err
