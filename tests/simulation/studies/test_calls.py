"""`society study calls`: the figures of a run's calls, group by group."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.studies.calls import By, report_calls
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

__all__ = ["_in_a_folder_of_its_own"]  # fixtures


@pytest.mark.parametrize("by", list(By))
def test_call_groups_add_up_to_the_run(make_plan: Callable[..., Plan], runs: Path, by: By) -> None:
    run = run_scenario(make_plan(6), out=runs)
    report = report_calls(run, by)
    assert sum(group.attempts for group in report.groups) == len(run.calls)
    assert report.tier_mix == {"simulated": 1.0}
    assert report.wall_seconds == pytest.approx(run.episodes["duration"].sum())
    names = {
        By.TIER: {""},
        By.ENDPOINT: {""},
        By.ADAPTER: {"in place of cooperator"},
        By.MODEL: {f"m{i}" for i in range(6)},
    }
    assert {group.name for group in report.groups} == names[by]


def test_tokens_of_a_server_add_up_over_adapters(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(
        ModelConfig(model_id=f"m{i}", model_name=("cooperator", "defector")[i % 2], team_id="ab"[i % 2])
        for i in range(4)
    )
    with in_thread(ScriptedVLLM()) as server:
        plan = make_plan(rows=rows, inference={"tiers": ["http"], "endpoints": [server.url]})
        run = run_scenario(plan, out=runs)
        asked = len(server.bodies)
    by_endpoint, by_adapter = report_calls(run, By.ENDPOINT).groups, report_calls(run, By.ADAPTER).groups
    assert [group.name for group in by_endpoint] == [server.url]
    assert by_endpoint[0].statuses["ok"] == sum(group.statuses["ok"] for group in by_adapter) == asked
    assert by_endpoint[0].completion_tokens == sum(group.completion_tokens for group in by_adapter) > 0
    speeds = [group.wall_tokens_per_second for group in (*by_adapter, *by_endpoint)]
    assert None not in speeds
    assert speeds[0] + speeds[1] == pytest.approx(speeds[2])  # type: ignore[operator]


def test_run_of_scripted_players_has_no_calls_to_report(make_plan: Callable[..., Plan], runs: Path) -> None:
    rows = tuple(ModelConfig(model_id=f"p{i}", policy="tit_for_tat", team_id="ab"[i]) for i in range(2))
    run = run_scenario(make_plan(rows=rows), out=runs)
    with pytest.raises(SocietyError, match="made no call"):
        report_calls(run)


def test_calls_command_prints_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = society(capsys, "run", "first_contact", "--tier", "simulated", "--episodes", "1")
    path = out.splitlines()[-1]
    code, out, _ = society(capsys, "study", "calls", path, "--by", "adapter")
    assert code == 0
    assert "replies by tier: simulated 100%" in out
    assert "cooperator" in out
    code, out, _ = society(capsys, "study", "calls", path, "--json")
    assert code == 0
    group = json.loads(out)["groups"][0]
    assert group["success_rate"]["value"] == 1.0
    assert group["latency"]["n"] == group["statuses"]["ok"]
