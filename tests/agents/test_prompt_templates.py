"""Templates of a user's own: what each may use, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import meta

from agents.language import Language
from agents.prompt_templates import ATTRIBUTES, FOLDER, VARIABLES, environment, read_templates, template_mistakes
from agents.strategy import HorizonFacts, Strategy, TaskFacts


@pytest.mark.parametrize("language", list(Language))
def test_shipped_templates_have_no_mistake(language: Language) -> None:
    texts, problems = read_templates(FOLDER, language)
    assert problems == []
    assert set(texts) == set(VARIABLES)


def test_variables_are_those_of_the_shipped_templates() -> None:
    for name, known in VARIABLES.items():
        texts = [(FOLDER / language / f"{name}.j2").read_text(encoding="utf-8") for language in ("en", "zh")]
        used = {each for text in texts for each in meta.find_undeclared_variables(environment().parse(text))}
        assert used <= known
        assert known - used <= {"choices"}, name  # `act` has no choices to name


def test_attributes_are_those_of_the_objects() -> None:
    for name, kind in (("task", TaskFacts), ("strategy", Strategy), ("horizon", HorizonFacts)):
        members = {each for each in (*dir(kind), *getattr(kind, "__annotations__", ())) if not each.startswith("_")}
        assert ATTRIBUTES[name] <= members


@pytest.mark.parametrize(
    ("name", "text", "line", "message", "hint"),
    [
        ("decide", "Choose.\n{{ choises }}", 2, "there is no variable 'choises' in decide.j2", "did you mean choices?"),
        ("decide", "{{ observation_text }}", 1, "there is no variable 'observation_text'", "known: choices"),
        ("dcide", "x", 0, "there is no template 'dcide'", "did you mean decide?"),
        ("decide", "a\n{% if choices %}", 2, "cannot be read", ""),
        ("decide", "{{ choices | jion }}", 1, "cannot be read: No filter named 'jion'", ""),
        ("system", "\n\n{{ task.dificulty }}", 3, "task has no 'dificulty'", "did you mean difficulty?"),
        ("decide", '{% include "system.j2" %}', 1, "another template cannot be taken in here", "write its text out"),
        ("decide", "{% for i in range(2) %}{{ i }}{% endfor %}", 1, "there is no variable 'range'", "known: choices"),
        ("identity", "{{ strategy.mood }}", 1, "strategy has no 'mood'", "did you mean mode?"),
    ],
)
def test_mistake_has_line_and_suggestion(name: str, text: str, line: int, message: str, hint: str) -> None:
    (found,) = template_mistakes(name, text)
    assert (found.line, found.message.startswith(message), hint in found.suggestion) == (line, True, True), found


@pytest.mark.parametrize(
    "text",
    [
        "{% for choice in choices %}{{ loop.index }}: {{ choice }}\n{% endfor %}",
        "{% set names = choices | join('; ') %}{{ names }}",
        "{% macro shown(each) %}<{{ each }}>{% endmacro %}{{ shown(choices) }}",
        "no variable at all",
    ],
)
def test_names_of_a_templates_own_are_known(text: str) -> None:
    assert list(template_mistakes("decide", text)) == []


def test_folder_may_hold_both_languages(tmp_path: Path) -> None:
    for language, text in (("en", "Choose."), ("zh", "请选择。")):
        (tmp_path / language).mkdir()
        (tmp_path / language / "decide.j2").write_text(text, encoding="utf-8")
    assert read_templates(tmp_path, Language.ZH) == ({"decide": "请选择。"}, [])
    assert read_templates(tmp_path / "en", Language.ZH) == ({"decide": "Choose."}, [])


def test_folder_without_a_template_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "decide.txt").write_text("x")
    _, (problem,) = read_templates(tmp_path, Language.EN)
    assert "holds no template" in problem.message
    (tmp_path / "decide.j2").write_bytes(b"\xff")
    _, (problem,) = read_templates(tmp_path, Language.EN)
    assert "cannot be read" in problem.message
