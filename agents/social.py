"""Social actions: what a model may do in the social network besides talking, offered as tools. Pure.

The actions are OASIS's own. A tool offers legal targets only (the posts that the model sees, and their authors), as a
decision offers legal actions only, so a server that constrains tool calls cannot produce an illegal one. An illegal
call counts as no move.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.answers import ReaderVersion
from agents.inference.provenance import Reply, ToolCall
from agents.network import LONGEST_TEXT, SHAPES, NetworkView, SocialActionName, SocialMove
from agents.tool_calls import call_in_text, read_arguments


@dataclass(frozen=True)
class FeedPost:
    """A post of the social network as a model reads it; `likes` and `comments` are counts."""

    post_id: int
    user_id: int
    author: str
    text: str
    likes: int = 0
    comments: int = 0


Tool = Mapping[str, Any]
"""A function schema in the OpenAI shape."""

_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}


def social_tools(actions: Sequence[SocialActionName], feed: Sequence[FeedPost], user_id: int) -> tuple[Tool, ...]:
    """Return the tools of one user; an action that has no legal target is left out.

    Args:
        actions: The actions that the scenario allows.
        feed: The posts that the user sees.
        user_id: The user's number in OASIS; it cannot follow itself.
    """
    posts = [post.post_id for post in feed]
    authors = sorted({post.user_id for post in feed} - {user_id})
    shapes: Mapping[SocialActionName, tuple[str, Mapping[str, Any]]] = {
        SocialActionName.CREATE_POST: ("Publish a post that everyone can read.", {"content": _TEXT}),
        SocialActionName.CREATE_COMMENT: ("Comment on a post.", {"post_id": _one_of(posts), "content": _TEXT}),
        SocialActionName.LIKE_POST: ("Like a post.", {"post_id": _one_of(posts)}),
        SocialActionName.FOLLOW: ("Follow the author of a post.", {"followee_id": _one_of(authors)}),
        SocialActionName.DO_NOTHING: ("Do nothing in the network now.", {}),
    }
    return tuple(_tool(action, *shapes[action]) for action in actions if _possible(shapes[action][1]))


def network_tools(view: NetworkView) -> tuple[Tool, ...]:
    """Return the tools of one user of a network; an action that has no legal target is left out."""
    return tuple(_network_tool(action, targets) for action, targets in view.targets.items() if targets != ())


def _network_tool(action: SocialActionName, targets: Sequence[int] | None) -> Tool:
    shape = SHAPES[action]
    parameters = {shape.target: _one_of(targets)} if targets else {}
    return _tool(action, shape.description, {**parameters, **({shape.text: _TEXT} if shape.text else {})})


def _one_of(numbers: Sequence[int]) -> Mapping[str, Any]:
    return {"type": "integer", "enum": list(numbers)}


def _possible(parameters: Mapping[str, Any]) -> bool:
    return all(shape.get("enum", True) for shape in parameters.values())


def _tool(action: SocialActionName, description: str, parameters: Mapping[str, Any]) -> Tool:
    schema = {
        "type": "object",
        "properties": dict(parameters),
        "required": list(parameters),
        "additionalProperties": False,
    }
    # vLLM enforces the schema only where it is strict
    function = {"name": action.value, "description": description, "strict": True, "parameters": schema}
    return {"type": "function", "function": function}


def read_act(reply: Reply, tools: Sequence[Tool], reader: ReaderVersion) -> tuple[SocialMove | None, str]:
    """Return the move that a reply makes, and why it makes none.

    The first tool call counts; where there is none, a call that the text has as JSON. The first reader reads plain tool
    calls only and gives no reason.
    """
    if reader is ReaderVersion.EXACT_ONLY:
        return _strict_move(reply.tool_calls, tools), ""
    offered = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in tools}
    call = reply.tool_calls[0] if reply.tool_calls else call_in_text(reply.text, offered)
    if call is None:
        return None, "the reply calls no tool" if reply.text else "the reply is empty and calls no tool"
    if call.name not in offered:
        return None, f"the reply calls {call.name!r}, which is not offered; offered: {', '.join(offered)}"
    return _legal_move(call, offered[call.name])


def _legal_move(call: ToolCall, shapes: Mapping[str, Mapping[str, Any]]) -> tuple[SocialMove | None, str]:
    """Return a call of an offered tool as a move, or why it is not legal."""
    arguments = read_arguments(call.arguments)
    if arguments is None:
        return None, f"{call.name}: the arguments are no JSON object: {call.arguments[:80]!r}"
    found = {name: _in_shape(value, shapes[name]) for name, value in arguments.items() if name in shapes}
    for name in [*arguments, *shapes]:
        if name not in shapes:
            return None, f"{call.name} takes no {name!r}; it takes: {', '.join(shapes) or 'nothing'}"
        if name not in arguments:
            return None, f"{call.name}: {name} is missing"
        if found[name] is None:
            return None, f"{call.name}: {name} {arguments[name]!r} is not {_allowed(shapes[name])}"
    return SocialMove(
        SocialActionName(call.name), {name: value for name, value in found.items() if value is not None}
    ), ""


def _in_shape(value: object, shape: Mapping[str, Any]) -> int | str | None:
    """Return an argument in the type of its schema ("3" and 3.0 are 3), None where it does not fit."""
    if shape["type"] == "integer" and isinstance(value, (str, float)) and _WHOLE.fullmatch(str(value).strip()):
        value = int(float(value))
    return value if _fits(value, shape) else None  # type: ignore[return-value]


_WHOLE = re.compile(r"\d{1,15}(?:\.0+)?")


def _allowed(shape: Mapping[str, Any]) -> str:
    if shape["type"] == "integer":
        return "one of " + ", ".join(map(str, shape["enum"]))
    return f"a text of 1 to {LONGEST_TEXT} characters"


def _strict_move(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> SocialMove | None:
    """Return the first of `calls` as a move; None without a call, or for one that `tools` do not offer."""
    if not calls:
        return None
    offered = {tool["function"]["name"]: tool["function"]["parameters"]["properties"] for tool in tools}
    shapes = offered.get(calls[0].name)
    try:
        arguments = json.loads(calls[0].arguments or "{}")
    except ValueError:
        return None
    if shapes is None or not isinstance(arguments, dict) or set(arguments) != set(shapes):
        return None
    if not all(_fits(arguments[name], shape) for name, shape in shapes.items()):
        return None
    return SocialMove(SocialActionName(calls[0].name), arguments)


def _fits(value: object, shape: Mapping[str, Any]) -> bool:
    if shape["type"] == "integer":
        return type(value) is int and value in shape["enum"]
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= LONGEST_TEXT


def plan_call(tools: Sequence[Tool], say: Callable[[], str], rng: random.Random) -> ToolCall:
    """Return a scripted player's call: any tool with any legal target; `say` gives the text of a post or comment."""
    chosen = rng.choice(list(tools))["function"]
    shapes = chosen["parameters"]["properties"]
    arguments = {name: rng.choice(shape["enum"]) if "enum" in shape else say() for name, shape in shapes.items()}
    return ToolCall("scripted", chosen["name"], json.dumps(arguments, ensure_ascii=False))
