"""Chinese texts: full-width marks, one word for one thing, nothing left in English."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agents.language import Language
from simulation.games import find_game, task_types

ROOT = Path(__file__).parent.parent
PROMPTS = sorted((ROOT / "agents" / "prompts" / "zh").glob("*.j2"))
LABELS = json.loads((ROOT / "simulation" / "report" / "assets" / "labels.zh.json").read_text(encoding="utf-8"))
ENGLISH = json.loads((ROOT / "simulation" / "report" / "assets" / "labels.en.json").read_text(encoding="utf-8"))
HAN = r"\u4e00-\u9fff"
HALF_WIDTH = re.compile(rf"[{HAN}][,:;!?()]|[,:;!?()][{HAN}]")
NO_WORDS = {"other_language", "calls_p90", "calls_p99", "calls_what"}
"""Labels that are the same in both languages."""
OTHER_WORDS = ("名单", "队伍", "团队对抗", "追随者", "底座模型", "基础模型")
"""Words for which docs/glossary.md has another one."""
CODE = re.compile(r"{[{%].*?[%}]}|```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->", flags=re.DOTALL)


def texts() -> dict[str, str]:
    """Return every Chinese text that is no code, by where it is."""
    found = {path.name: CODE.sub("", path.read_text(encoding="utf-8")) for path in [*PROMPTS, ROOT / "README.zh.md"]}
    labels = {f"label {key}": text for key, text in LABELS.items()}
    drafts = {
        path.name: "\n".join(re.findall(rf"^.*[{HAN}].*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE))
        for path in (ROOT / "simulation" / "authoring").glob("*_draft.py")
    }
    return {**found, **labels, **drafts}


def test_marks_between_chinese_letters_are_full_width() -> None:
    prose = {where: text for where, text in texts().items() if not where.endswith(".py")}
    assert {where: found for where, text in prose.items() if (found := HALF_WIDTH.findall(text))} == {}


def test_rules_of_games_have_full_width_marks() -> None:
    for task_type in task_types():
        game = find_game(task_type)
        written = json.dumps(getattr(game, "rule_texts", {}), default=str, ensure_ascii=False)
        assert HALF_WIDTH.findall(re.sub(r"{[^}]*}", "", written).replace('"', "")) == [], task_type


def test_words_are_those_of_the_glossary() -> None:
    assert {(where, word) for where, text in texts().items() for word in OTHER_WORDS if word in text} == set()
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    for word in ("训练模式", "名册", "团队", "基座模型", "适配器", "层级"):
        assert word in glossary
        assert word in (ROOT / "README.zh.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_label_is_in_chinese(key: str) -> None:
    assert key in LABELS
    assert key in NO_WORDS or re.search(rf"[{HAN}]", LABELS[key]), LABELS[key]


def test_both_languages_have_the_modes_in_one_word() -> None:
    from agents.prompts import MODE_NAMES_ZH

    assert {mode.value: LABELS[mode.value] for mode in MODE_NAMES_ZH} == {m.value: t for m, t in MODE_NAMES_ZH.items()}
    assert [each.value for each in Language] == ["en", "zh"]
