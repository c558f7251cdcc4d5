"""A game's documentation page: the parts of its module's docstring, and its parameters.

A part starts at the beginning of a line with its name and a colon, such as `Payoff:` or `Nash (named here):`. It ends
where the next part starts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from agents.problems import SocietyError
from simulation.games import find_game, task_types
from simulation.games.measures import Meaning


class PageSection(str, Enum):
    """The parts of a game's docstring. All are required but `efficiency`, which is for games that define their own."""

    PLAYERS = "Players"
    DECISION = "Decision"
    PAYOFF = "Payoff"
    INFORMATION = "Information"
    NASH = "Nash"
    OPTIMUM = "Optimum"
    MESSAGE = "Message"
    ACCURACY = "accuracy"
    COOPERATION = "cooperation"
    EFFICIENCY = "efficiency"
    SOURCE = "Source"


_START = re.compile(rf"^({'|'.join(part.value for part in PageSection)})s?(?: \([^)]*\))?: ", re.MULTILINE)
_RANGES = (("minimum", ">= {}"), ("exclusiveMinimum", "> {}"), ("maximum", "<= {}"), ("exclusiveMaximum", "< {}"))
_SIZES = (("minItems", "at least {}"), ("maxItems", "at most {}"))


@dataclass(frozen=True)
class Parameter:
    """A game's parameter. `range` says in words which values are allowed; it is empty if all of its kind are."""

    name: str
    kind: str
    default: Any
    range: str


@dataclass(frozen=True)
class GamePage:
    """A game's page.

    `title` is its first paragraph, `text` the whole docstring, `parts` the text of each part. `cooperation` and
    `accuracy` say what the two figures measure and with which other games' figures they may be compared.
    """

    name: str
    title: str
    text: str
    synthetic: bool
    cooperation: Meaning
    accuracy: Meaning
    parts: Mapping[PageSection, str]
    parameters: tuple[Parameter, ...]

    def line(self, part: PageSection) -> str:
        """Return a part's first sentence, on one line."""
        text = " ".join(self.parts[part].split())
        return re.split(r"(?<=[^.])\. ", text, maxsplit=1)[0].rstrip(".")


def game_page(name: str) -> GamePage:
    """Return the page of a game.

    Raises:
        SocietyError: There is no such game, or its docstring lacks a part.
    """
    game = find_game(name)
    text = (sys.modules[game.__module__].__doc__ or "").strip()
    parts = _parts(text)
    missing = [part.value for part in PageSection if part is not PageSection.EFFICIENCY and not parts.get(part)]
    if missing:
        file = sys.modules[game.__module__].__file__
        raise SocietyError(
            f"{file}: the docstring of the game {name} lacks {', '.join(missing)}; begin a line of it with each, and a "
            "colon: " + f"`{missing[0]}: ...`"
        )
    title = " ".join(text.split("\n\n")[0].split())
    return GamePage(
        name,
        title,
        text,
        game.synthetic,
        game.cooperation_meaning,
        game.accuracy_meaning,
        parts,
        _parameters(game.Parameters.model_json_schema()),
    )


def game_pages() -> tuple[GamePage, ...]:
    """Return the pages of all games, sorted by name."""
    return tuple(map(game_page, task_types()))


def _parts(text: str) -> dict[PageSection, str]:
    starts = list(_START.finditer(text))
    ends = [*(start.start() for start in starts[1:]), len(text)][: len(starts)]
    return {
        PageSection(start.group(1)): text[start.end() : end].strip() for start, end in zip(starts, ends, strict=True)
    }


def _parameters(schema: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the parameters that a JSON Schema describes."""
    found = []
    for name, field in schema.get("properties", {}).items():
        body = {**field, **schema.get("$defs", {}).get(str(field.get("$ref", "")).rsplit("/", 1)[-1], {})}
        found.append(Parameter(name, _kind(body), field.get("default"), _range(body)))
    return tuple(found)


def _kind(body: Mapping[str, Any]) -> str:
    kind = str(body.get("type", "value"))
    return f"list of {_kind(body['items'])}s" if kind == "array" and "items" in body else kind


def _range(body: Mapping[str, Any]) -> str:
    limits = [text.format(f"{body[key]:g}") for key, text in _RANGES if key in body]
    sizes = [text.format(body[key]) for key, text in _SIZES if key in body]
    choices = [" or ".join(map(str, body["enum"]))] if "enum" in body else []
    return ", ".join([*choices, *limits, *(f"{size} entries" for size in sizes)])
