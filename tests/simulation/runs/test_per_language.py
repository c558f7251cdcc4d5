"""`specialization` and `persona` per language: prompts and tables have the version of the run's language."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.language import Language, text_in
from agents.problems import InvalidFileError
from agents.prompts import identity
from agents.roster import Roster
from agents.strategy import TrainingMode, derive_strategy
from simulation.runs.runner import run_scenario
from simulation.task import TrainingTask
from tests.simulation.cli.test_app import _in_a_folder_of_its_own

__all__ = ["_in_a_folder_of_its_own"]  # fixtures

ROSTER = """\
name: two
base_model: b
models:
  - model_id: ada
    model_name: x
    specialization: {en: planning, zh: 规划}
    persona: {en: You are calm., zh: 你很冷静。}
  - {model_id: bo, model_name: y, persona: Bold.}
"""
SCENARIO = {
    "name": "s",
    "mode": "cooperative",
    "tasks": [{"task_id": "t", "task_type": "prisoners_dilemma", "max_steps": 1, "required_models": 2}],
}


@pytest.mark.parametrize(
    ("language", "skill", "persona", "other"),
    [("en", "planning", "You are calm.", "规划"), ("zh", "规划", "你很冷静。", "planning")],
)
def test_run_has_the_texts_of_its_language(language: str, skill: str, persona: str, other: str) -> None:
    Path("two.yaml").write_text(ROSTER, encoding="utf-8")
    run = run_scenario({**SCENARIO, "language": language}, roster="two.yaml", tier="simulated")
    mine = run.prompts.query("model_id == 'ada'")["user"]
    assert mine.str.contains(skill).all()
    assert mine.str.contains(persona, regex=False).all()
    assert not mine.str.contains(other).any()
    assert run.prompts.query("model_id == 'bo'")["user"].str.contains("Bold.", regex=False).all()
    assert run.agents.set_index("model_id").loc["ada", "specialization"] == skill
    assert set(run.outcomes.query("model_id == 'ada'")["specialization"]) == {skill}
    kept = run.manifest["roster"]["models"][0]["specialization"]
    assert kept == {"en": "planning", "zh": "规划"}  # played again in the other language, it has the other text


def test_prompt_of_a_row_has_its_language() -> None:
    Path("two.yaml").write_text(ROSTER, encoding="utf-8")
    ada = Roster.load("two.yaml").models[0]
    task = TrainingTask(task_id="t", task_type="commons")
    text = identity(Language.ZH, ada, derive_strategy(ada.role, task, TrainingMode.COOPERATIVE))
    assert "规划" in text
    assert "你很冷静。" in text


def test_roster_keeps_both_when_it_is_saved() -> None:
    Path("two.yaml").write_text(ROSTER, encoding="utf-8")
    roster = Roster.load("two.yaml")
    roster.save("again.yaml")
    assert Roster.load("again.yaml") == roster
    calm = roster.models[0].model_copy(update={"persona": {Language.EN: "You are calm.", Language.ZH: "你沉着。"}})
    roster.with_rows(calm).save("two.yaml")  # over a file that is there
    assert Roster.load("two.yaml").models[0].persona == calm.persona


def test_unknown_language_is_a_mistake_with_its_line() -> None:
    Path("two.yaml").write_text(ROSTER.replace("zh: 规划", "fr: plan"), encoding="utf-8")
    with pytest.raises(InvalidFileError, match=r"two\.yaml:6: models\.0\.specialization"):
        Roster.load("two.yaml")


def test_missing_version_is_the_first_there_is() -> None:
    assert text_in({Language.ZH: "规划"}, Language.EN) == "规划"
    assert text_in("planning", Language.ZH) == "planning"
