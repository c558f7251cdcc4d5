"""Tool calls of a model whose chat template knows no tools: a choice among all calls, then the text, if it has one.

Each offered call is one line, such as `like_post 3`; the model's own probabilities choose among the lines. Where the
tool takes a text, the model writes it next. So a call is always legal.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agents.inference.backend import Completion
from agents.inference.provenance import ChatMessage, Request, ToolCall
from agents.language import Language

_CHOOSE = {
    Language.EN: "Your tools: {calls}. Answer with one of them only.",
    Language.ZH: "你的工具：{calls}。只回答其中一个。",
}
_WRITE = {
    Language.EN: "Write its {name} in one sentence.",
    Language.ZH: "用一句话写出它的{name}。",
}


class OfferedCall(NamedTuple):
    """One call: the tool, its arguments but the text, and the name of its text; empty without one."""

    tool: str
    arguments: Mapping[str, Any]
    text: str


def offered_calls(tools: Sequence[Mapping[str, Any]]) -> dict[str, OfferedCall]:
    """Return every call of the tools by its line."""
    found = {}
    for tool in (each["function"] for each in tools):
        shapes = tool["parameters"]["properties"]
        texts = [name for name, shape in shapes.items() if "enum" not in shape]
        targets = [(name, value) for name, shape in shapes.items() for value in shape.get("enum", ())]
        for name, value in targets or [("", None)]:
            line = tool["name"] if value is None else f"{tool['name']} {value}"
            found[line] = OfferedCall(tool["name"], {name: value} if name else {}, "".join(texts[:1]))
    return found


async def call_by_choice(request: Request, complete: Callable[[Request], Awaitable[Completion]]) -> Completion:
    """Return a call of one of the request's tools.

    Args:
        request: A request with tools.
        complete: Answers a request without tools.
    """
    calls, language = offered_calls(request.tools), _language(request)
    asked = _with_user(request.messages, _CHOOSE[language].format(calls=", ".join(calls)))
    plain = replace(request, tools=(), must_use_tool=False)
    chosen = await complete(replace(plain, messages=asked, choices=tuple(calls)))
    call = calls[chosen.text]
    if not call.text:
        return _called(chosen, call, call.arguments)
    said = (*asked, ChatMessage("assistant", chosen.text))
    wanted = _with_user(said, _WRITE[language].format(name=call.text))
    written = await complete(replace(plain, messages=wanted, choices=None))
    return _called(_both(chosen, written), call, {**call.arguments, call.text: written.text.strip()})


def _with_user(messages: Sequence[ChatMessage], text: str) -> tuple[ChatMessage, ...]:
    """Return the messages with a line more for the model; chat templates want users and assistants in turn."""
    *before, last = messages
    if last.role == "user":
        return (*before, ChatMessage("user", f"{last.content}\n{text}"))
    return (*messages, ChatMessage("user", text))


def _called(answer: Completion, call: OfferedCall, arguments: Mapping[str, Any]) -> Completion:
    made = ToolCall("embedded", call.tool, json.dumps(dict(arguments), ensure_ascii=False))
    return replace(answer, text="", tool_calls=(made,), finish_reason="tool_calls")


def _both(first: Completion, second: Completion) -> Completion:
    """Return the second answer with the tokens and the waiting of both."""
    return replace(
        second,
        prompt_tokens=_sum(first.prompt_tokens, second.prompt_tokens),
        completion_tokens=_sum(first.completion_tokens, second.completion_tokens),
        waited=first.waited + second.waited,
    )


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _language(request: Request) -> Language:
    return request.situation.language if request.situation is not None else Language.EN
