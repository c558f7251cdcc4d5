"""`prompt_templates`: they change the prompts that they are, and only these; a run keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from agents.problems import InvalidFileError
from simulation.plan import Plan
from simulation.runs.replay import replay_run
from simulation.runs.runner import resume_run, run_scenario
from simulation.tables.run import Run
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

SCENARIO = """\
name: own
mode: cooperative
roster: first_contact
tasks: [{task_id: t, task_type: prisoners_dilemma, max_steps: 2, required_models: 2}]
inference: {tiers: [simulated]}
"""
OWN = "prompt_templates: mine\n"
DECIDE = "Think of the others. {{ choices | join(' or ') }}?"


def scenario(text: str = SCENARIO + OWN, decide: str = DECIDE) -> Path:
    Path("mine").mkdir(exist_ok=True)
    Path("mine/decide.j2").write_text(decide)
    path = Path("own.yaml")
    path.write_text(text)
    return path


def users(run: Run, purpose: str) -> pd.Series[str]:
    return run.prompts.query("purpose == @purpose").set_index(["step", "model_id"])["user"]


def test_template_changes_its_prompt_and_only_that() -> None:
    plain, own = run_scenario(scenario(SCENARIO)), run_scenario(scenario())
    assert list(own.prompts["system"]) == list(plain.prompts["system"])
    assert list(users(own, "talk")) == list(users(plain, "talk"))
    before, after = users(plain, "decide"), users(own, "decide")
    assert (after.index == before.index).all()
    for ours, theirs in zip(after, before, strict=True):
        assert ours.splitlines()[:-1] == theirs.splitlines()[:-1]
        assert ours.splitlines()[-1] == "Think of the others. cooperate or defect?"
        assert theirs.splitlines()[-1].startswith("Choose one: cooperate, defect.")


def test_every_template_reaches_the_prompts() -> None:
    path = scenario()
    marks = {name: f"<{name}>" for name in ("system", "identity", "situation", "heard", "talk", "decide")}
    for name, mark in marks.items():
        body = "{{ identity }} {{ heard | join }} {{ observation_text }}" if name == "situation" else ""
        Path(f"mine/{name}.j2").write_text(f"{mark}{body}\n")
    prompts = run_scenario(path).prompts
    text = "\n".join([*prompts["system"], *prompts["user"]])
    assert [mark for mark in marks.values() if mark not in text] == []


def test_manifest_keeps_templates_for_resume_and_replay() -> None:
    run = run_scenario(scenario())
    assert run.manifest["scenario"]["prompt_templates"] == {"decide": DECIDE}
    Path("mine/decide.j2").write_text("another")
    assert replay_run(run.path).tables_identical
    manifest = run.path / "manifest.json"
    manifest.write_text(json.dumps({**run.manifest, "status": "stopped"}))
    events = (run.path / "events.jsonl").read_text().splitlines(keepends=True)
    (run.path / "events.jsonl").write_text("".join(events[: len(events) // 2]))
    again = resume_run(run.path)
    assert set(users(again, "decide").map(lambda text: text.splitlines()[-1])) == {
        "Think of the others. cooperate or defect?"
    }


def test_validate_names_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = society(capsys, "validate", str(scenario(decide="Choose:\n{{ choises }}")))
    assert code == 2
    assert "mine/decide.j2:2: there is no variable 'choises' in decide.j2 (did you mean choices?)" in err
    Path("mine/decide.j2").rename("mine/decied.j2")
    code, _, err = society(capsys, "validate", "own.yaml")
    assert (code, "mine/decied.j2: there is no template 'decied' (did you mean decide?)" in err) == (2, True)
    code, _, err = society(capsys, "validate", str(scenario(f"{SCENARIO}prompt_templates: none\n")))
    assert (code, "own.yaml:6: prompt_templates: 'none': there is no such folder" in err) == (2, True)


def test_texts_may_be_given_in_python() -> None:
    plan = Plan.load(scenario())
    data = plan.scenario.model_dump(mode="json")
    with pytest.raises(InvalidFileError, match=r"prompt_templates\.decide: line 1: there is no variable 'x'"):
        run_scenario({**data, "prompt_templates": {"decide": "{{ x }}"}}, roster=plan.roster)
