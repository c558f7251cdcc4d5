"""Both languages' prompt templates have the same variables, the same blocks and the same lines."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import pytest
from jinja2 import Environment, meta

from agents.prompt_templates import FOLDER

PURPOSES = sorted(path.stem for path in (FOLDER / "en").glob("*.j2"))
IN_WORDS = {"role_name": "role", "mode_name": "mode", "stance_name": "strategy", "decision_name": "strategy"}
"""Variables that give the Chinese word for what an English template takes from another variable."""
HIDDEN, ANNOUNCED = (SimpleNamespace(chance=0.9, at_most=9, announced=announced) for announced in (False, True))
TASK = SimpleNamespace(
    task_id="t", task_type="g", difficulty=0.5, reward_pool=1.0, cooperation_level=0.5, horizon=ANNOUNCED
)
POST = SimpleNamespace(post_id=1, author="a", user_id=2, likes=3, comments=4, text="x")
VALUE = SimpleNamespace(value="cooperative")
STRATEGY = SimpleNamespace(
    mode=VALUE, teamwork_level=0.5, communication=True, resource_sharing=False, leadership=True, decision_making=VALUE
)
FIXED = {
    "task": TASK,
    "strategy": STRATEGY,
    "step": 1,
    "max_steps": 2,
    "others": 3,
    "scale": ["1", "2"],
}
SEVERAL = {
    "choices": ([], ["c", "d"]),
    "persona": ("", "someone"),
    "team_id": (None, "red"),
    "heard": ([], ["- a: x", "- b: y"]),
    "feed": ([], [POST, POST]),
    "mode": ("cooperative", "competitive", "team_battle"),
    "whole": (True, False),
    "horizon": (None, HIDDEN, ANNOUNCED),
}
"""Variables that decide which blocks of a template are used."""


def source(language: str, purpose: str) -> str:
    return (FOLDER / language / f"{purpose}.j2").read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    made = Environment(autoescape=False)
    made.filters["one_line"] = str
    return made


def variables(text: str) -> set[str]:
    return {IN_WORDS.get(name, name) for name in meta.find_undeclared_variables(environment().parse(text))}


def blank_lines(text: str) -> Callable[[dict[str, object]], list[bool]]:
    """Return what renders a template with values and returns for each line whether it is blank."""
    names, template = meta.find_undeclared_variables(environment().parse(text)), environment().from_string(text)

    def blank(values: dict[str, object]) -> list[bool]:
        given = {name: values.get(name, FIXED.get(name, "x")) for name in names}
        return [not line.strip() for line in template.render(given).split("\n")]

    return blank


def test_both_languages_have_the_same_templates() -> None:
    assert sorted(path.stem for path in (FOLDER / "zh").glob("*.j2")) == PURPOSES


@pytest.mark.parametrize("purpose", PURPOSES)
def test_templates_have_the_same_variables(purpose: str) -> None:
    assert variables(source("en", purpose)) == variables(source("zh", purpose))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_templates_have_the_same_blocks_line_by_line(purpose: str) -> None:
    blocks = [[re.findall(r"{%.*?%}", line) for line in source(each, purpose).split("\n")] for each in ("en", "zh")]
    assert blocks[0] == blocks[1]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_templates_render_to_the_same_lines(purpose: str) -> None:
    english, chinese = (source(each, purpose) for each in ("en", "zh"))
    used = meta.find_undeclared_variables(environment().parse(english + chinese))
    several = {name: values for name, values in SEVERAL.items() if name in used}
    blank_en, blank_zh = blank_lines(english), blank_lines(chinese)
    for values in itertools.product(*several.values()):
        chosen: dict[str, object] = dict(zip(several, values, strict=True))
        assert blank_en(chosen) == blank_zh(chosen)
