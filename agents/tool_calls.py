"""Tool calls in the forms that models and servers write them in. Pure.

| form                                                    | read as                     |
|---------------------------------------------------------|-----------------------------|
| arguments in a code fence, or as JSON within JSON       | the arguments               |
| `{"name": ..., "arguments": {...}}` as the reply's text | a tool call                 |
| the same in a code fence or in `<tool_call>` tags       | a tool call                 |
| `{"create_post": {...}}`                                | a tool call                 |
| two calls in one text, or anything else                 | none: it is not clear       |
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import orjson

from agents.inference.provenance import ToolCall

_FENCE = re.compile(r"```+[ \t]*[\w-]*[ \t]*\n?(.*?)\n?[ \t]*```+", re.DOTALL)
_TAGGED = re.compile(r"<(?:tool_call|function_call|tool)>(.*?)(?:</(?:tool_call|function_call|tool)>|$)", re.DOTALL)
_NAME_KEYS = ("name", "function", "tool", "action", "tool_name", "function_name")
_ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "kwargs", "action_input", "tool_input")


def read_arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments of a tool call as a mapping; None where the text is none. No text is no argument."""
    bare = text.strip()
    fenced = _FENCE.fullmatch(bare)
    value = _loaded(fenced[1] if fenced else bare) if bare else {}
    if isinstance(value, str):
        value = _loaded(value)
    return value if isinstance(value, dict) else None


def call_in_text(text: str, offered: Collection[str]) -> ToolCall | None:
    """Return the one call of an offered tool that a text has as JSON; None without one, or with several."""
    pieces = [text, *(match[1] for pattern in (_TAGGED, _FENCE) for match in pattern.finditer(text))]
    calls = {call for piece in pieces for call in _calls(_loaded(piece), offered)}
    return calls.pop() if len(calls) == 1 else None


def _calls(value: Any, offered: Collection[str]) -> list[ToolCall]:
    if isinstance(value, list):
        return [call for each in value for call in _calls(each, offered)]
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("function"), dict):
        return _calls(value["function"], offered)
    name = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str) and value[key] in offered), None)
    if name in offered:
        given: Any = next((value[key] for key in _ARGUMENT_KEYS if key in value), {})
        return [ToolCall("", str(name), given if isinstance(given, str) else orjson.dumps(given or {}).decode())]
    if len(value) == 1 and next(iter(value)) in offered:
        ((name, given),) = value.items()
        return [ToolCall("", str(name), orjson.dumps(given or {}).decode())]
    return []


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
