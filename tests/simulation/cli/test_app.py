"""The `society` command as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from agents.inference.provenance import Tier
from agents.roster import shipped_rosters
from simulation.cli import app as cli
from simulation.cli.run import NO_SERVER, refuse_no_server
from simulation.plan import Plan, Settings, make_plan
from simulation.runs.recorded import recorded_run
from simulation.runs.runner import run_scenario
from simulation.scenario import shipped_scenarios


def society(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command, run in this process."""
    old, sys.argv = sys.argv, ["society", *arguments]
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = old
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_run_command_prints_table_and_directory(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "1")
    assert code == 0
    assert out.startswith("SIMULATED: 24 replies are scripted")  # above the table
    assert "Who did best" in out
    assert (Path(out.splitlines()[-1]) / "manifest.json").exists()
    assert "episode 1/1" in err
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]  # no log/ of OASIS


def test_json_of_two_runs_differs_only_in_times(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = []
    for _ in range(2):
        code, out, _ = society(capsys, "run", "team_battle", "--tier", "simulated", "--seed", "7", "--json")
        assert code == 0
        rows = json.loads(out)["outcomes"]
        outcomes.append([{k: v for k, v in row.items() if k != "completion_time"} for row in rows])
    assert outcomes[0] == outcomes[1]


def test_run_without_the_named_server_has_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    url, tiers = "http://localhost:9/v1", "inference.tiers=[http, simulated]"
    code, out, err = society(capsys, "run", "first_contact", "--episodes", "1", "--endpoint", url, "--set", tiers)
    assert code == NO_SERVER == 4
    assert (Path(out.splitlines()[-1]) / "manifest.json").exists()
    assert f"NO SERVER ANSWERED at {url}" in out  # in the answer, too
    first, *_, last = err.splitlines()
    for line in (first, last):
        assert url in line
        assert "start one with: vllm serve" in line


def test_many_runs_fail_only_if_no_server_answered_in_any(tmp_path: Path) -> None:
    plan = make_plan("first_contact", Settings(episodes=1, endpoints=["http://localhost:9/v1"]))
    tiers = {"inference": plan.scenario.inference.model_copy(update={"tiers": (Tier.HTTP, Tier.SIMULATED)})}
    lost = run_scenario(Plan(plan.scenario.model_copy(update=tiers), plan.roster), out=tmp_path)
    served = recorded_run("first_contact_vllm", out=tmp_path)
    refuse_no_server((lost, served))
    with pytest.raises(typer.Exit) as ended:
        refuse_no_server((lost, lost))
    assert ended.value.exit_code == NO_SERVER


def test_run_that_asked_for_simulated_replies_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--episodes", "1", "--endpoint", "http://localhost:9/v1", "--tier", "simulated")
    code, _, err = society(capsys, "run", "first_contact", *options)
    assert code == 0
    assert "server" not in err


FIVE_MISTAKES = """\
name: five
mode: coperative
roster: first_contact
episodes: 0
tasks:
  - task_id: a
    task_type: prisoner_dilemma
  - task_id: b
    task_type: public_goods
    dificulty: 0.5
    required_models: 9
"""


def test_five_mistakes_are_five_lines_and_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("five.yaml").write_text(FIVE_MISTAKES)
    code, out, err = society(capsys, "run", "five.yaml", "--tier", "simulated")
    assert code == 2
    assert out == ""
    lines = err.splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "4", "7", "10", "11"]
    assert "did you mean cooperative?" in lines[0]
    assert "Traceback" not in err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "first_contcat"), "first_contact"),
        (("run", "first_contact", "--tier", "cloud"), "--tier cloud: not one of camel, http"),
        (("run", "first_contact", "--set", "episodes"), "write key=value"),
        (("run", "first_contact", "--set", "tasks.0.max_stepz=3"), "max_steps"),
        (("new", "schema", "run"), "neither scenario nor roster"),
        (("run", "first_contact", "--seed=-1"), "seed: -1 is below 0"),
        (("run", "first_contact", "--endpoint", "foo"), "not an http(s) URL"),
        (("run", "first_contact", "--tier", "simulated", "--require", "http"), "leaves none of the tiers allowed"),
        (("run", "first_contact", "--require", "auto"), "--require auto: not one of"),
        (("new", "scenario", "x.yaml", "--mode", "foo"), "--mode foo"),
        (("new", "roster", "x.yaml", "--base="), "cannot be empty"),
    ],
)
def test_users_mistake_is_a_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = society(capsys, *arguments)
    assert code == 2
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "first_contact", "--tier", "simulated", "--out", "taken/runs"),
        ("new", "scenario", "nowhere/x.yaml"),
        ("new", "roster", "nowhere/x.yaml"),
        ("validate", "x" * 5000),
    ],
)
def test_file_error_is_a_message_without_traceback(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    Path("taken").write_text("a file, not a folder")
    code, _, err = society(capsys, *arguments)
    assert code in (1, 2)
    assert err
    assert "Traceback" not in err


def test_tier_auto_allows_every_tier(capsys: pytest.CaptureFixture[str]) -> None:
    Path("narrow.yaml").write_text(
        "name: narrow\nmode: cooperative\nroster: with_scripted_players\n"
        "tasks: [{task_id: t, task_type: public_goods, max_steps: 1}]\n"
        "inference: {tiers: [simulated]}\n"
    )
    made = society(
        capsys,
        "run",
        "narrow.yaml",
        "--tier",
        "auto",
        "--set",
        "inference.endpoints=[http://127.0.0.1:9/v1]",
        "--require",
        "http",
    )
    assert made[0] == 1
    assert "tier http is required and failed" in made[2]


def test_foreign_package_called_agents_is_named(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from simulation.cli.start import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another package called `agents` is in the way" in done.stderr
    assert "pip uninstall openai-agents" in done.stderr


def test_resume_refuses_a_folder_that_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "resume", "nowhere")
    assert code == 1
    assert "not a run directory" in err


def test_list_names_everything_that_ships(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "ls", "shipped")
    words = out.split()
    assert {*shipped_scenarios(), *shipped_rosters(), "public_goods", "tit_for_tat"} <= set(words)


def test_validate_takes_scenarios_and_rosters(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = society(capsys, "validate", *shipped_scenarios(), *shipped_rosters())
    assert code == 0
    assert "ok: two_teams (roster)" in out
    assert "ok: team_battle (scenario)" in out


def test_new_roster_and_scenario_validate_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert society(capsys, "new", "roster", "mine.yaml", "--teams", "2")[0] == 0
    made = society(capsys, "new", "scenario", "play.yaml", "--mode", "team_battle", "--roster", "mine.yaml")
    assert made[0] == 0
    assert society(capsys, "validate", "mine.yaml", "play.yaml")[0] == 0
    assert society(capsys, "run", "play.yaml", "--tier", "simulated")[0] == 0
    code, out, _ = society(capsys, "show", "mine.yaml")
    assert code == 0
    assert "reciprocator" in out
    assert Path("mine.yaml").read_text().startswith("#")


def test_new_files_never_overwrite(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.yaml").write_text("precious")
    for kind in ("roster", "scenario"):
        code, _, err = society(capsys, "new", kind, "mine.yaml")
        assert code == 1
        assert "exists" in err
    assert Path("mine.yaml").read_text() == "precious"


def test_new_scenario_that_cannot_run_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "new", "scenario", "x.yaml", "--mode", "team_battle", "--roster", "first_contact")
    assert code == 2
    assert "two teams" in err
    assert not Path("x.yaml").exists()


@pytest.mark.parametrize("kind", ["scenario", "roster"])
def test_schema_is_json_schema(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    _, out, _ = society(capsys, "new", "schema", kind)
    assert json.loads(out)["type"] == "object"


def test_interrupted_command_leaves_a_resumable_run(tmp_path: Path) -> None:
    import signal
    import time

    command = [str(Path(sys.executable).with_name("society")), "run", "first_contact", "--tier", "simulated"]
    process = subprocess.Popen(
        [*command, "--episodes", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("runs/*/oasis.db")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "society resume" in err
    assert "Traceback" not in err
    (run,) = tmp_path.glob("runs/*")
    assert json.loads((run / "manifest.json").read_text())["status"] == "stopped"
