"""The fields by which servers make a reply one of some choices. Pure.

| constraint          | field                                             | known to                               |
|---------------------|---------------------------------------------------|----------------------------------------|
| structured_outputs  | `structured_outputs: {choice: [...]}`             | vLLM from 0.11                         |
| guided_choice       | `guided_choice: [...]`                            | vLLM before 0.12                       |
| regex               | `regex: (a|b)`                                    | SGLang                                 |
| grammar             | `grammar`, in GBNF                                | llama.cpp                              |
| tgi_regex           | `response_format: {type: regex, value: (a|b)}`    | Text Generation Inference              |
| response_format     | `response_format`, a JSON object with an `enum`   | OpenAI, Ollama, LM Studio and others   |
| enum                | `response_format`, a JSON text with an `enum`     | servers that allow no object there     |

Many servers accept a field that they do not know with HTTP 200, so a constraint is used only where it was obeyed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Fields = dict[str, Any]
_KEY = "choice"
_SPECIAL, _ESCAPED = re.compile(r"([\\.^$*+?{}\[\]|()])"), r"\\\1"
_WRAPPER_TOKENS = 24
"""Tokens that the braces, quotes and key around a choice may take."""


@dataclass(frozen=True)
class Constraint:
    """One way to constrain a reply.

    Args:
        name: Its name in the manifest.
        fields: Returns the fields of the request for some choices.
        as_json: True where the reply is JSON that has the choice.
    """

    name: str
    fields: Callable[[Sequence[str]], Fields]
    as_json: bool = False

    @property
    def extra_tokens(self) -> int:
        """Return the tokens that a reply needs besides those of its choice."""
        return _WRAPPER_TOKENS if self.as_json else 0

    def read(self, text: str, choices: Sequence[str]) -> str:
        """Return the choice that a reply has; the reply itself where it has none."""
        if not self.as_json or text in choices:
            return text
        try:
            found = json.loads(text)
        except ValueError:
            return text
        if isinstance(found, Mapping) and len(found) == 1:
            [found] = found.values()
        return found if isinstance(found, str) and found in choices else text


def _pattern(choices: Sequence[str]) -> str:
    """Return a regular expression; only what every engine calls special is escaped."""
    return f"({'|'.join(_SPECIAL.sub(_ESCAPED, choice) for choice in choices)})"


def _grammar(choices: Sequence[str]) -> str:
    """Return a GBNF grammar; a JSON text is a GBNF literal."""
    return f"root ::= {' | '.join(json.dumps(choice, ensure_ascii=False) for choice in choices)}"


def _schema(schema: Fields) -> Fields:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": _KEY, "strict": True, "schema": schema}}}


def _object(choices: Sequence[str]) -> Fields:
    properties = {_KEY: {"type": "string", "enum": list(choices)}}
    return _schema({"type": "object", "properties": properties, "required": [_KEY], "additionalProperties": False})


STRUCTURED_OUTPUTS = Constraint("structured_outputs", lambda given: {"structured_outputs": {"choice": list(given)}})
GUIDED_CHOICE = Constraint("guided_choice", lambda given: {"guided_choice": list(given)})
REGEX = Constraint("regex", lambda given: {"regex": _pattern(given)})
GRAMMAR = Constraint("grammar", lambda given: {"grammar": _grammar(given)})
TGI_REGEX = Constraint("tgi_regex", lambda given: {"response_format": {"type": "regex", "value": _pattern(given)}})
RESPONSE_FORMAT = Constraint("response_format", _object, as_json=True)
ENUM = Constraint("enum", lambda given: _schema({"type": "string", "enum": list(given)}), as_json=True)
FREE = Constraint("none", lambda _given: {})
"""No constraint: the reply is free text."""

CONSTRAINTS = (STRUCTURED_OUTPUTS, RESPONSE_FORMAT, GUIDED_CHOICE, REGEX, GRAMMAR, TGI_REGEX, ENUM)
"""All constraints, in the order in which an unknown server is asked."""
