"""Names that become paths: whatever a name holds, nothing is read or written outside of the run's own directory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from agents.inference.provenance import Tier
from agents.problems import InvalidFileError, SocietyError, UsageError
from agents.roster import ModelConfig, Roster
from simulation.plan import Plan
from simulation.runs.runner import resume_run, run_scenario
from simulation.scenario import Scenario
from simulation.studies.tournament.matchups import Format
from simulation.studies.tournament.tournament import Tournament, new_tournament, read_tournament
from simulation.tables.run import load_run
from simulation.tables.runs import SkippedRunsWarning, load_runs
from tests.conftest import models
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

ESCAPES = [
    "../x",
    "../../x",
    "/tmp/x",
    "a/b",
    "..",
    ".",
    "~",
    "~root",
    "",
    "a\0b",
    "a\nb",
    "\\\\host\\x",
    "C:x",
    "x" * 300,
]
HIDDEN = [".x", "..x", "-x", "--out"]
TOO_LONG = ["x" * 300, "\U00020000" * 64]  # 64 letters are 256 bytes: no folder can be called that
NAMES = [*ESCAPES, *HIDDEN, *TOO_LONG]
WORKABLE = ["CON", "nul", "x.", "名", "x" * 64]
"""Names a folder can have: a run's carries its time behind it, so that Windows does not take it for a device."""


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "/.cache" not in str(path)}


def scenario(**changes: Any) -> dict[str, Any]:
    task = {"task_id": "t", "task_type": "public_goods", "max_steps": 1}
    return {"name": "s", "mode": "cooperative", "roster": "inline", "tasks": [task], **changes}


def roster() -> Roster:
    return Roster(name="r", base_model="b", models=models(2))


class TestNames:
    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
    def test_a_scenario_file_cannot_be_called_that(self, name: str, tmp_path: Path) -> None:
        Path("s.yaml").write_text(json.dumps(scenario(name=name)), encoding="utf-8")
        before = everything(tmp_path)
        with pytest.raises(InvalidFileError) as caught:
            run_scenario("s.yaml", out=tmp_path / "runs")
        assert ("s.yaml", 1, "name") in [(each.file, each.line, each.where) for each in caught.value.problems]
        assert everything(tmp_path) == before

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
    def test_no_more_can_a_scenario_or_a_model_that_comes_from_no_file(self, name: str) -> None:
        with pytest.raises(ValidationError, match="name: "):
            Scenario.model_validate(scenario(name=name))
        with pytest.raises(ValidationError, match="model_id: "):
            ModelConfig(model_id=name, model_name="a")

    @pytest.mark.parametrize("name", WORKABLE)
    def test_other_names_make_a_run_that_is_found_again(self, name: str, tmp_path: Path) -> None:
        plan = Plan(Scenario.model_validate(scenario(name=name)), roster())
        run = run_scenario(plan, tier=Tier.SIMULATED, out=tmp_path / "runs")
        assert run.path.parent == tmp_path / "runs"
        assert load_runs(tmp_path / "runs").paths == (run.path,)

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
    def test_a_model_in_a_tournaments_folder_cannot_be_called_that(self, name: str, tmp_path: Path) -> None:
        task = {"task_id": "t", "task_type": "prisoners_dilemma", "max_steps": 1}
        setting = Scenario.model_validate(scenario(tasks=[task], mode="competitive"))
        folder = new_tournament(Tournament(form=Format.PAIRS, episodes=2, scenario=setting, roster=roster()), tmp_path)
        file = folder / "tournament.json"
        found = orjson.loads(file.read_bytes())
        found["tournament"]["roster"]["models"][1]["model_id"] = name
        file.write_bytes(orjson.dumps(found))
        with pytest.raises(SocietyError, match=r"tournament\.json cannot be read: (.|\n)*model_id: "):
            read_tournament(folder)

    @pytest.mark.parametrize("asked", ["../../etc/passwd", "/etc/passwd", "~", "a\nb", "x" * 300, "."])
    def test_what_is_extended_is_a_yaml_file(self, asked: str) -> None:
        Path("r.yaml").write_text(json.dumps({"extends": asked}), encoding="utf-8")
        with pytest.raises(InvalidFileError) as caught:
            Roster.load("r.yaml")
        [problem] = caught.value.problems
        assert (problem.file, problem.line, problem.where) == ("r.yaml", 1, "extends")

    @pytest.mark.parametrize("policy", ["../../x", "/etc/passwd", "os:system", "~"])
    def test_a_policy_is_one_of_those_there_are(self, policy: str) -> None:
        found = {"name": "r", "models": [{"model_id": "a", "policy": policy}]}
        Path("r.yaml").write_text(json.dumps(found), encoding="utf-8")
        with pytest.raises(InvalidFileError, match="there is no policy"):
            Roster.load("r.yaml")

    @pytest.mark.parametrize("adapter", ["../../etc", "/etc", "~", "a\0b", "x" * 5000, "loop"])
    def test_an_adapter_is_a_folder_that_holds_one(self, adapter: str) -> None:
        Path("loop").symlink_to("loop")
        found = {"name": "r", "base_model": "b", "models": [{"model_id": "a", "adapter": adapter}]}
        Path("r.yaml").write_text(json.dumps(found), encoding="utf-8")
        with pytest.raises(InvalidFileError) as caught:
            Roster.load("r.yaml")
        assert ["r.yaml", "models.0.adapter"] in [[each.file, each.where] for each in caught.value.problems]


class TestWhereRunsAreKept:
    @pytest.mark.parametrize("out", ["file", "file/deeper", "loop", "x" * 300, "/proc/runs", "/dev/null"])
    @pytest.mark.parametrize(
        "command", ["run first_contact --tier simulated", "tournament competitors --game prisoners_dilemma"]
    )
    def test_an_out_that_holds_no_folder_is_told(
        self, out: str, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("file").touch()
        Path("loop").symlink_to("loop")
        code, _, err = society(capsys, *command.split(), "--out", out)
        assert (code, "name another folder: --out" in err, out[:190] in err) == (2, True, True), err

    def test_nor_a_null_byte(self, tmp_path: Path) -> None:
        plan = Plan(Scenario.model_validate(scenario()), roster())
        with pytest.raises(UsageError, match="null"):
            run_scenario(plan, tier=Tier.SIMULATED, out="a\0b")


# -- run directories from elsewhere ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(Scenario.model_validate(scenario(name="whole")), roster())
    return run_scenario(plan, tier=Tier.SIMULATED, out=tmp_path_factory.mktemp("whole")).path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A run that was cut off, so that resuming it writes."""
    copy = tmp_path / "runs" / whole.name
    shutil.copytree(whole, copy)
    _in_manifest(copy, lambda manifest: manifest.update(status="stopped"))
    return copy


def _in_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = run / "manifest.json"
    manifest = orjson.loads(file.read_bytes())
    change(manifest)
    file.write_bytes(orjson.dumps(manifest))


COMMANDS = ["calls", "quality", "metrics", "replay", "resume", "report", "watch"]
LINKS = [
    "manifest.json",
    "events.jsonl",
    "oasis.db",
    "oasis.db-journal",
    ".lock",
    ".manifest.json.part",
    "tables/calls.parquet",
    "tables",
    ".tables.part",
]


@pytest.mark.parametrize("name", LINKS)
def test_link_out_of_a_run_is_neither_read_nor_written(
    name: str, run: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    place = run / name
    if place.exists():
        shutil.move(place, outside)
    elif name == ".tables.part":
        outside.mkdir()
    else:
        outside.write_bytes(b"precious")
    place.symlink_to(outside)
    files = [outside] if outside.is_file() else sorted(outside.rglob("*"))
    before = [path.read_bytes() for path in files]
    for command in COMMANDS:
        code, out, err = society(capsys, command, str(run), *(["--out", "r.html"] if command == "report" else []))
        assert code != 0, (command, out)
        assert f"{name} is a link that leads out of the run directory" in err, command
    assert [path.read_bytes() for path in files] == before
    with pytest.raises(SocietyError, match="leads out"):
        load_run(run)
    shutil.copytree(whole, tmp_path / "runs" / "sound")
    with pytest.warns(SkippedRunsWarning, match="leads out"):
        assert [each.path for each in load_runs(tmp_path / "runs").skipped] == [run]


@pytest.mark.parametrize("target", ["oasis.db", "nowhere"])
def test_a_link_to_itself_or_to_nothing_is_told(target: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "oasis.db").unlink()
    (run / "oasis.db").symlink_to(target)
    code, _, err = society(capsys, "report", str(run), "--out", "r.html")
    assert (code, "oasis.db is a link that leads out of the run directory or to nothing" in err) == (1, True)


def test_a_link_within_a_run_and_a_run_that_is_linked_to_are_read(run: Path, tmp_path: Path) -> None:
    (run / "oasis.db").rename(run / "moved.db")
    (run / "oasis.db").symlink_to("moved.db")
    (tmp_path / "linked").symlink_to(run)
    assert len(load_run(tmp_path / "linked").calls)


def test_a_pipe_in_a_run_is_not_waited_for(run: Path) -> None:
    (run / "events.jsonl").unlink()
    os.mkfifo(run / "events.jsonl")
    with pytest.raises(SocietyError, match="neither a file nor a folder"):
        load_run(run)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:24])
def test_a_manifest_cannot_name_a_place_elsewhere(name: str, run: Path, tmp_path: Path, capsys: Any) -> None:
    _in_manifest(run, lambda manifest: manifest["scenario"].update(name=name))
    before = everything(tmp_path)
    with pytest.raises(SocietyError):
        resume_run(run)
    _in_manifest(run, lambda manifest: manifest.update(status="finished"))
    code, _, err = society(capsys, "study", "replay", str(run), "--out", str(tmp_path / "runs"))
    assert code != 0
    assert "name: " in err
    assert everything(tmp_path) == before


@pytest.mark.parametrize("found", ["../../x", "/etc/passwd", "a\nb"])
def test_what_a_run_says_it_replays_is_only_told(found: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _in_manifest(run, lambda manifest: manifest.update(replay_of=found))
    code, _, err = society(capsys, "resume", str(run))
    assert (code, "a replay is not resumed" in err) == (2, True)
