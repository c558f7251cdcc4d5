"""`society ls`: the runs of a folder, and what ships."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.players.policies import POLICIES
from simulation.plan import Plan
from simulation.runs.folders import play_in
from simulation.runs.run_set import begin, plan_of
from simulation.runs.runner import run_scenario
from simulation.tables.listing import CUT_OFF, list_runs
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

MakePlan = Callable[..., Plan]


def test_list_has_date_state_tiers_and_mean_payoff(make_plan: MakePlan) -> None:
    run = run_scenario(make_plan())
    (line,) = list_runs(Path("runs"))
    assert line.path.absolute() == run.path
    assert (line.scenario, line.state, line.tiers) == ("small", "finished", ("simulated",))
    assert line.started == run.manifest["started"]
    assert line.payoff == pytest.approx(run.outcomes["payoff"].mean())


def test_set_of_runs_is_one_line(make_plan: MakePlan) -> None:
    folder = begin("sweep", "two", {"a": make_plan(seed=1), "b": make_plan(seed=2)})
    first = play_in(folder / "a", plan_of(folder, "a"))
    second = play_in(folder / "b", plan_of(folder, "b"))
    (line,) = list_runs(Path("runs"))
    assert (line.path, line.runs, line.state) == (folder, 2, "finished")
    means = [run.outcomes["payoff"].mean() for run in (first, second)]
    assert line.payoff == pytest.approx(sum(means) / 2)
    assert len(list_runs(folder)) == 2


def test_set_has_no_payoff_where_its_runs_are_not_alike(make_plan: MakePlan) -> None:
    folder = begin("sweep", "two", {"a": make_plan(seed=1), "b": make_plan(seed=2, mode="cooperative")})
    play_in(folder / "a", plan_of(folder, "a"))
    other = play_in(folder / "b", plan_of(folder, "b"))
    assert list_runs(Path("runs"))[0].payoff is None  # two modes
    shutil.rmtree(other.path)
    assert list_runs(Path("runs"))[0].payoff is not None
    unfinished = run_scenario(make_plan(seed=3), out=folder / "b")
    (unfinished.path / "manifest.json").write_text(json.dumps({**unfinished.manifest, "status": "running"}))
    assert list_runs(Path("runs"))[0].payoff is None


def test_killed_and_damaged_runs_are_said_to_be_so(make_plan: MakePlan) -> None:
    run = run_scenario(make_plan())
    manifest = run.path / "manifest.json"
    manifest.write_text(json.dumps({**run.manifest, "status": "running"}))
    for table in (run.path / "tables").iterdir():
        table.unlink()
    assert [(each.state, each.payoff) for each in list_runs(Path("runs"))] == [(CUT_OFF, None)]
    manifest.write_text("{")
    assert "cannot be read" in list_runs(Path("runs"))[0].state


def test_ls_prints_runs_newest_first(make_plan: MakePlan, capsys: pytest.CaptureFixture[str]) -> None:
    made = [run_scenario(make_plan(name=name)).path for name in ("old", "new")]
    manifest = json.loads((made[0] / "manifest.json").read_text())
    (made[0] / "manifest.json").write_text(json.dumps({**manifest, "started": "2020-01-01T00:00:00+00:00"}))
    code, out, _ = society(capsys, "ls")
    assert code == 0
    assert out.index(made[1].name) < out.index(made[0].name)
    assert "a training" not in out
    training = Path("runs/learned")
    training.mkdir()
    (training / "training.json").touch()
    assert society(capsys, "ls")[1].endswith(f"a training: {training}; see it with: society train show {training}\n")
    rows = [json.loads(line) for line in society(capsys, "ls", "runs", "--json")[1].splitlines()]
    assert [row["scenario"] for row in rows] == ["new", "old"]


def test_ls_names_what_ships_and_refuses_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = society(capsys, "ls", "policies")
    assert (code, out.split()[1:]) == (0, list(POLICIES))
    code, _, err = society(capsys, "ls", "nowhere")
    assert (code, "no such folder" in err) == (2, True)
    code, _, err = society(capsys, "ls")
    assert (code, "society run first_contact" in err) == (0, True)
