"""`society show`: a run, its messages and prompts; a scenario, a roster and a game."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from agents.problems import SocietyError
from simulation.cli.show import matching_prompts, show
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.tables.run import Run, load_run


@pytest.fixture
def run(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(make_plan(), out=runs)


def test_show_prints_prompt_choices_and_reply(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show(str(run.path), prompts=True, model="m1", episode=2, step=1)
    text = capsys.readouterr().out
    assert text.count("=== episode 2, step 1, m1") == 2  # a message and a decision
    decided = run.decisions.query("model_id == 'm1' and episode == 1 and step == 0")["text"].iloc[0]
    assert f"[reply: simulated in place of cooperator]\n{decided}\n" in text
    for part in ("[system]\n", "[user]\n", "[choices] "):
        assert part in text


def test_show_as_json_has_a_row_of_run_prompts_a_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    show(str(run.path), prompts=True, limit=1000, json_=True)
    rows = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == len(run.prompts) == len(run.calls)
    assert [row["user"] for row in rows] == list(run.prompts["user"])


def test_show_names_what_there_is(run: Run) -> None:
    with pytest.raises(SocietyError, match=r"no prompt has model_id m9 \(did you mean"):
        matching_prompts(run, {"model_id": "m9"})
    with pytest.raises(SocietyError, match=r"no prompt has step 8 \(known: 1, 2\)"):
        matching_prompts(run, {"step": 7})


def test_show_says_why_there_are_no_prompts(make_plan: Callable[..., Plan], runs: Path) -> None:
    silent = run_scenario(make_plan(prompts="off"), out=runs)
    assert not (silent.path / "prompts").exists()
    with pytest.raises(SocietyError, match="stores no prompts: its scenario says prompts: off"):
        matching_prompts(load_run(silent.path), {})
