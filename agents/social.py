"""Social actions: what a model may do in the social network besides talking, offered as tools. Pure.

The actions are OASIS's own. A tool offers legal targets only (the posts that the model sees, and their authors), as a
decision offers legal actions only, so a server that constrains tool calls cannot produce an illegal one. An illegal
call counts as no move.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from agents.inference.provenance import ToolCall

LONGEST_TEXT = 2000
"""Characters of a post or comment."""


class SocialActionName(str, Enum):
    """The social actions, by OASIS's names."""

    CREATE_POST = "create_post"
    CREATE_COMMENT = "create_comment"
    LIKE_POST = "like_post"
    FOLLOW = "follow"
    DO_NOTHING = "do_nothing"


@dataclass(frozen=True)
class FeedPost:
    """A post of the social network as a model reads it; `likes` and `comments` are counts."""

    post_id: int
    user_id: int
    author: str
    text: str
    likes: int = 0
    comments: int = 0


@dataclass(frozen=True)
class SocialMove:
    """One legal action with its arguments, by OASIS's parameter names."""

    action: SocialActionName
    arguments: Mapping[str, int | str]


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


def read_move(calls: Sequence[ToolCall], tools: Sequence[Tool]) -> SocialMove | None:
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
