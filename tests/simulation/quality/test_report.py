"""`society study quality`: means per tier, role and model, with intervals over episodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.quality.report import QualityRow, QualityScope, report_quality
from simulation.quality.scorer import Judge
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.simulation.metrics.test_words import characters
from tests.support.faults import status
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures


def row(run: Run, measure: str, scope: QualityScope, name: str = "") -> QualityRow:
    found = [r for r in report_quality(run).rows if (r.measure, r.scope, r.name) == (measure, scope, name)]
    (only,) = found
    return only


def test_quality_means_and_intervals_of_known_players(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = characters(make_plan, runs, episodes=6)
    everyone, honest = row(run, "kept", QualityScope.ALL), row(run, "kept", QualityScope.MODEL, "honest")
    assert (everyone.value, everyone.texts, everyone.episodes) == (pytest.approx(1 / 3), 36, 6)
    assert (honest.value, honest.texts) == (1.0, 12)
    assert everyone.interval.why == "all 6 episodes gave the same"
    assert honest.interval.n == 6
    assert 0 <= honest.interval.low <= honest.value == honest.interval.high == 1
    assert honest.interval.low < 1.0  # twelve of twelve do not prove a share of 1
    assert row(run, "announces", QualityScope.ROLE, "neutral").value == 0.75
    bonus = row(run, "bonus", QualityScope.MODEL, "liar")
    assert (bonus.value, bonus.synthetic) == (pytest.approx(0.1), True)


def test_quality_tiers_are_never_averaged(make_plan: Callable[..., Plan], runs: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        inference = {"tiers": ["http", "simulated"], "endpoints": [server.url], "retries": 0, "timeout": 1}
        server.mishaps.extend([status(400)] * 10)
        run = run_scenario(make_plan(inference=inference), out=runs)
    rows = [r for r in report_quality(run, ["keyword"]).rows if r.scope is QualityScope.ALL]
    assert {r.tier: r.texts for r in rows} == run.messages["tier"].astype(str).value_counts().to_dict()
    assert len(rows) == 2


def test_quality_of_one_episode_has_no_interval(make_plan: Callable[..., Plan], runs: Path) -> None:
    report = report_quality(run_scenario(make_plan(episodes=1), out=runs), ["parse"])
    assert {r.interval.why for r in report.rows} == {"too few episodes: 1, need 6"}
    assert any("no interval: too few episodes: 1, need 6" in note for note in report.notes)


def test_run_without_finished_episode_is_refused(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    run.episodes = run.episodes[:0]
    with pytest.raises(SocietyError, match="no finished episode"):
        report_quality(run, ["consistency", "parse"])


def test_judge_marks_are_secondary_and_named(make_plan: Callable[..., Plan], runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    with in_thread(ScriptedVLLM(("cooperator",))) as server:
        report = report_quality(run, ["judge"], Judge("cooperator", (server.url,)))
    assert all(r.secondary and r.judge == "cooperator (http)" for r in report.rows)
    assert any(note.startswith("SECONDARY") and server.url in note for note in report.notes)
    assert any("grades its own messages" in note for note in report.notes)


def test_quality_command_prints_tables_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "2")
    path = out.splitlines()[-1]
    code, out, _ = society(capsys, "study", "quality", path)
    assert code == 0
    assert "SYNTHETIC" in out
    assert "model ada" in out
    assert "judge" not in out
    with in_thread(ScriptedVLLM(("critic",))) as server:
        asked = ("--scorer", "judge", "--judge", "critic", "--endpoint", server.url)
        code, out, _ = society(capsys, "study", "quality", path, *asked)
        assert code == 0
        assert "SECONDARY" in out
        assert "critic (http)" in out
        code, out, _ = society(capsys, "study", "quality", path, *asked, "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert {each["scorer"] for each in rows} == {"judge"}


def test_endpoint_without_judge_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "study", "quality", "runs/x", "--endpoint", "http://localhost:8001/v1")
    assert code == 2
    assert "--judge ADAPTER" in err
