"""The key `prompt_templates` of a scenario: a folder in a file, the texts by name in a scenario that is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import WithJsonSchema

from agents.findings import Finding, shown
from agents.language import Language
from agents.problems import Problem
from agents.prompt_templates import read_templates, template_mistakes
from agents.yaml_file import YamlFile, display

KEY = "prompt_templates"
OwnTemplates = Annotated[
    dict[str, str],
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
]


def with_templates(file: YamlFile, folder: Path) -> tuple[YamlFile, list[Problem]]:
    """Return a scenario with the texts of the templates in the folder that it names, and everything wrong in them.

    Args:
        file: The scenario.
        folder: The folder of the scenario's file.
    """
    named = file.data.get(KEY)
    if not isinstance(named, str):
        return file, []
    place = (Path() if (KEY,) in file.overrides else folder) / named
    if not place.is_dir():
        problems = [file.problem(Finding((KEY,), f"{shown(named)}: there is no such folder"))]
        return _with(file, {}), problems
    language = file.data.get("language", Language.EN.value)
    known = Language(language) if language in {each.value for each in Language} else Language.EN
    texts, problems = read_templates(place, known)
    here = [replace(problem, file=display(Path(problem.file))) for problem in problems]
    return _with(file, {} if here else texts), here


def _with(file: YamlFile, texts: Mapping[str, str]) -> YamlFile:
    return replace(file, data={**file.data, KEY: dict(texts)})


def template_findings(texts: object) -> Iterator[Finding]:
    """Yield what is wrong in templates that a scenario gives as texts."""
    for name, text in texts.items() if isinstance(texts, Mapping) else ():
        if isinstance(name, str) and isinstance(text, str):
            for found in template_mistakes(name, text):
                line = f"line {found.line}: " if found.line else ""
                yield Finding((KEY, name), f"{line}{found.message}", found.suggestion)
