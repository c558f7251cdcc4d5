"""Templates of a user's own in place of the shipped ones: their names, the variables that each may use, and checks.

A folder holds any of the templates, `decide.j2` for example; with templates in several languages they are below `en/`
and `zh/`. The variables are those of the shipped template of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agents.language import Language
from agents.problems import Problem, nearest

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.nodes import Template as Parsed

FOLDER = Path(__file__).parent / "prompts"

_MARK = re.compile(r"<(?=[|｜/a-zA-Z])|\[(?=/?[A-Z_]{2,}\])")
"""How special tokens begin: `<|im_end|>`, `</s>`, `<end_of_turn>`, DeepSeek's `<｜`, Mistral's `[/INST]`."""
SUFFIX = ".j2"

VARIABLES: Mapping[str, frozenset[str]] = {
    "system": frozenset({"task", "mode", "others", "rules", "whole"}),
    "identity": frozenset(
        {"model_id", "role", "role_name", "team_id", "specialization", "persona"}
        | {"strategy", "stance_name", "decision_name"}
    ),
    "situation": frozenset(
        {"step", "max_steps", "identity", "heard", "observation_text", "feed", "horizon", "network", "announced"}
        | {"remembered", "addressee"}
    ),
    "network_system": frozenset({"others", "rules"}),
    "network_identity": frozenset({"model_id", "role", "role_name", "team_id", "specialization", "persona"}),
    "network": frozenset({"view"}),
    "heard": frozenset({"sender", "team_id", "text"}),
    "summary": frozenset({"choices"}),
    "address": frozenset({"choices"}),
    "talk": frozenset({"choices"}),
    "act": frozenset({"choices"}),
    "note": frozenset({"choices"}),
    "decide": frozenset({"choices"}),
    "interview": frozenset({"question", "choices"}),
    "own_note": frozenset({"note"}),
    "judge": frozenset({"step", "max_steps", "role", "role_name", "mode", "mode_name", "text", "scale"}),
    "judge_system": frozenset({"rules"}),
}
"""The templates, and the variables that each is given."""

_HORIZON = frozenset({"announced", "chance", "at_most"})
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "task": frozenset({"task_id", "task_type", "difficulty", "reward_pool", "cooperation_level", "horizon"}),
    "strategy": frozenset(
        {"mode", "teamwork_level", "communication", "resource_sharing", "leadership", "decision_making"}
    ),
    "horizon": _HORIZON,
}
"""What a variable that is no text or number has."""

Templates = tuple[tuple[str, str], ...]
"""Templates in place of the shipped ones: (name, text), sorted by name."""


def templates_of(texts: Mapping[str, str]) -> Templates:
    """Return templates by name in the form that prompts take."""
    return tuple(sorted(texts.items()))


def one_line(text: str) -> str:
    """Return a heard text on one line with every chat-template mark broken.

    So it can neither look like another part of the prompt nor end its sender's turn.
    """
    return _MARK.sub(r"\g<0> ", " ".join(text.split()))


@cache
def environment() -> Environment:
    """Return what reads the templates."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(FOLDER)
    # plain-text prompts for a language model: HTML escaping would change what the model reads
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, auto_reload=False)
    made.filters["one_line"] = one_line
    return made


class TemplateMistake(NamedTuple):
    """What is wrong in a template, in which line, from 1."""

    line: int
    message: str
    suggestion: str = ""


def template_mistakes(name: str, text: str) -> Iterator[TemplateMistake]:
    """Yield everything wrong in the text of a template: its name, its syntax, its variables and their attributes."""
    from jinja2 import TemplateSyntaxError, nodes

    if name not in VARIABLES:
        yield TemplateMistake(0, f"there is no template {name!r}", nearest(name, list(VARIABLES)))
        return
    try:
        parsed = _parsed(text)
    except TemplateSyntaxError as error:
        yield TemplateMistake(error.lineno, f"cannot be read: {error.message}")
        return
    for other in parsed.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        yield TemplateMistake(other.lineno, "another template cannot be taken in here", "write its text out")
    known, own = VARIABLES[name], _own_names(parsed)
    for found in parsed.find_all(nodes.Name):
        if found.name not in known | own:
            hint = nearest(found.name, sorted(known))
            yield TemplateMistake(found.lineno, f"there is no variable {found.name!r} in {name}{SUFFIX}", hint)
    for part in parsed.find_all(nodes.Getattr):
        base = part.node.name if isinstance(part.node, nodes.Name) and part.node.name not in own else ""
        if part.attr not in ATTRIBUTES.get(base, {part.attr}):
            hint = nearest(part.attr, sorted(ATTRIBUTES[base]))
            yield TemplateMistake(part.lineno, f"{base} has no {part.attr!r}", hint)


def _parsed(text: str) -> Parsed:
    """Return the syntax tree. Raises TemplateSyntaxError, for an unknown filter too."""
    made = environment()
    made.compile(text)
    return made.parse(text)


def _own_names(parsed: Parsed) -> set[str]:
    """Return the names that a template sets itself; Jinja's own functions are not given to a prompt."""
    from jinja2 import nodes

    stored = {each.name for each in parsed.find_all(nodes.Name) if each.ctx in ("store", "param")}
    macros = {each.name for each in parsed.find_all(nodes.Macro)}
    return {*stored, *macros, "loop"}


def read_templates(folder: Path, language: Language) -> tuple[dict[str, str], list[Problem]]:
    """Return the templates in a folder for one language, by name, and everything wrong in them.

    Args:
        folder: Where they are, or where a folder of the language's name with them is.
        language: The scenario's.
    """
    own = folder / language.value
    place = own if own.is_dir() else folder
    texts, problems = {}, []
    try:
        files = sorted(place.glob(f"*{SUFFIX}"))
        for file in files:
            texts[file.stem] = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return {}, [Problem(str(place), 0, "", f"cannot be read: {error}")]
    if not texts:
        known = ", ".join(f"{name}{SUFFIX}" for name in VARIABLES)
        problems.append(Problem(str(place), 0, "", "holds no template", f"it may hold any of {known}"))
    for name, text in texts.items():
        where = str(place / f"{name}{SUFFIX}")
        problems += [Problem(where, found.line, "", *found[1:]) for found in template_mistakes(name, text)]
    return texts, problems
