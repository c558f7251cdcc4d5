"""The message of a chat completion: its text, its thought, its tool calls, its token counts. Pure.

| a server sends                                              | read as                                        |
|-------------------------------------------------------------|------------------------------------------------|
| `content` as a text or as a list of parts                   | the text; parts that think are reasoning       |
| `reasoning_content`, `reasoning`, `reasoning_details`       | reasoning                                      |
| think tags or harmony channels within `content`             | reasoning (`agents.inference.thoughts`)        |
| no content, and one of the choices as reasoning (vLLM 15618) | that choice                                    |
| no content, but reasoning, or cut before any                | an empty text                                  |
| tool calls whose arguments are a mapping                    | the mapping as JSON                            |
| `function_call`, as before 2023                             | a tool call                                    |
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from agents.inference.backend import Completion
from agents.inference.errors import BadReplyError
from agents.inference.provenance import ToolCall
from agents.inference.thoughts import Thought, split_thought

MOST_TOOL_CALLS = 128
MOST_TOKENS = 2**31 - 1
LENGTH = "length"
_SHOWN = 300
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxstring, _SHORT.maxother = 5, 6, 8, 200, 60
_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
_DEEPEST = 4


def shown(value: Any) -> str:
    """Return any value that a server sent as a short text."""
    return (value if isinstance(value, str) else _SHORT.repr(value))[:_SHOWN]


def read_message(
    choice: Mapping[str, Any], usage: Any, endpoint: str, allowed: Sequence[str] = (), *, thinks: bool = False
) -> Completion:
    """Return what an entry of `choices` says.

    Args:
        choice: The entry; its `message` is a mapping.
        usage: The answer's token counts.
        endpoint: The server's URL.
        allowed: The choices of the request.
        thinks: True where the request asked for a thought: a text that was cut before a closing tag is thought.

    Raises:
        BadReplyError: The message has neither text nor thought nor tool calls.
    """
    message = choice["message"]
    ended = choice.get("finish_reason")
    reason = ended[:_SHOWN] if isinstance(ended, str) else ""
    counts = usage if isinstance(usage, dict) else {}
    details = counts.get("completion_tokens_details")
    thought_tokens = _count(details, "reasoning_tokens")
    calls = _tool_calls(message, endpoint)
    said = _said(message, thinks and reason == LENGTH and not calls)
    if said is None:
        if not calls and not thought_tokens and reason != LENGTH:
            raise BadReplyError(f"{endpoint} answered without text: the reply's content is missing")
        said = Thought("")
    text, reasoning = _answer_in(said.reasoning, allowed) if allowed and not said.text else said[:2]
    return Completion(
        text,
        endpoint,
        _count(counts, "prompt_tokens"),
        _count(counts, "completion_tokens"),
        reason,
        tool_calls=calls,
        cached_tokens=_count(counts.get("prompt_tokens_details"), "cached_tokens"),
        reasoning=reasoning,
        reasoning_tokens=thought_tokens,
        constrained=text in allowed and message.get("content") in (text, None, ""),
    )


def _said(message: Mapping[str, Any], opened: bool) -> Thought | None:
    """Return a message's text and its thought; None where it has neither."""
    content = message.get("content")
    if isinstance(content, str) and message.keys().isdisjoint(_REASONING):  # nearly every reply
        return split_thought(content, opened=opened)
    stated = "\n".join(filter(None, (_texts(message.get(name), 0) for name in _REASONING[:2]))).strip()
    stated = stated or _texts(message.get(_REASONING[2]), 0).strip()
    if isinstance(content, list):
        content, inner = _of_parts(content)
        stated = "\n".join(filter(None, (stated, inner)))
    if not isinstance(content, str):
        return Thought("", stated) if stated and content is None else None
    found = split_thought(content, opened=opened and not stated)
    return Thought(found.text, "\n".join(filter(None, (stated, found.reasoning))), found.cut)


def _of_parts(parts: Sequence[Any]) -> tuple[str | None, str]:
    """Return the text and the thought of a content in parts; None as text where no part is known."""
    text, thought, known = [], [], False
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "output_text") and isinstance(part.get("text"), str):
            text.append(part["text"])
        elif kind in ("thinking", "reasoning", "reasoning_text", "reasoning_content"):
            thought.append(_texts({key: value for key, value in part.items() if key != "type"}, 0))
        else:
            continue
        known = True
    return ("".join(text) if known else None), "\n".join(filter(None, thought))


def _texts(value: Any, depth: int) -> str:
    """Return the texts within a value as one text."""
    if isinstance(value, str):
        return value
    if depth >= _DEEPEST or not isinstance(value, (list, dict)):
        return ""
    inner = value if isinstance(value, list) else [value.get(key) for key in ("text", "thinking", "summary", "content")]
    return "\n".join(filter(None, (_texts(each, depth + 1) for each in inner)))


def _answer_in(reasoning: str, allowed: Sequence[str]) -> tuple[str, str]:
    """Return a constrained answer that a reasoning parser took for a thought; else an empty text."""
    bare = reasoning.strip()
    return (bare, "") if bare in allowed else ("", reasoning)


def _tool_calls(message: Mapping[str, Any], endpoint: str) -> tuple[ToolCall, ...]:
    rows = message.get("tool_calls")
    if not rows:
        old = message.get("function_call")
        return (_tool_call({"function": old}, endpoint),) if isinstance(old, dict) else ()
    if not isinstance(rows, list):
        raise BadReplyError(f"{endpoint} answered with tool calls that are not a list: {shown(rows)}")
    if len(rows) > MOST_TOOL_CALLS:
        raise BadReplyError(f"{endpoint} answered with {len(rows)} tool calls; at most {MOST_TOOL_CALLS} are read")
    return tuple(_tool_call(row, endpoint) for row in rows)


def _tool_call(row: Any, endpoint: str) -> ToolCall:
    match row:
        case {"function": {"name": str(name), **function}, **rest} if name:
            number = rest.get("id")
            arguments = _arguments(function.get("arguments"))
            if arguments is None:
                raise BadReplyError(
                    f"{endpoint} answered with arguments of {shown(name)} that are no mapping: {shown(row)}"
                )
            return ToolCall(number if isinstance(number, str) else "", name, arguments)
        case _:
            raise BadReplyError(f"{endpoint} answered with a tool call that names no function: {shown(row)}")


def _arguments(value: Any) -> str | None:
    """Return the arguments of a tool call as the text that the model wrote; None for what is no mapping."""
    if isinstance(value, str):
        return value
    if value is None:
        return "{}"
    return orjson.dumps(value).decode() if isinstance(value, dict) else None


def _count(counts: Any, name: str) -> int | None:
    """Return a number of tokens; None if there is none, or if it is no number."""
    found = counts.get(name) if isinstance(counts, dict) else None
    return found if type(found) is int and 0 <= found <= MOST_TOKENS else None
