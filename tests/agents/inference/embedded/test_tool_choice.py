"""A model without a template for tools calls one by choice; its call is always legal."""

from __future__ import annotations

import json
from dataclasses import replace

from agents.answers import ReaderVersion
from agents.inference.backend import Completion
from agents.inference.embedded.tool_choice import call_by_choice, offered_calls
from agents.inference.provenance import CallKey, ChatMessage, Provenance, Purpose, Reply, Request, Tier
from agents.network import NetworkView, SocialActionName
from agents.social import network_tools, read_act

TOOLS = network_tools(
    NetworkView(
        0,
        "reddit",
        "2026-01-01 08:00",
        targets={
            SocialActionName.CREATE_POST: None,
            SocialActionName.CREATE_COMMENT: (3, 5),
            SocialActionName.LIKE_POST: (5,),
            SocialActionName.DO_NOTHING: None,
        },
    )
)
REQUEST = Request(
    CallKey(0, 0, "ada", Purpose.ACT),
    "cooperator",
    (ChatMessage("system", "rules"), ChatMessage("user", "feed")),
    tools=tuple(TOOLS),
    must_use_tool=True,
)


def test_every_legal_call_is_one_line() -> None:
    assert list(offered_calls(TOOLS)) == [
        *("create_post", "create_comment 3", "create_comment 5"),
        *("like_post 5", "do_nothing"),
    ]


async def answered(choice: str, text: str = "I agree.") -> tuple[Completion, list[Request]]:
    """Return the call of a model that takes `choice` and writes `text`, and what it was asked."""
    asked: list[Request] = []

    async def complete(request: Request) -> Completion:
        asked.append(request)
        return Completion(choice if request.choices else text, prompt_tokens=10, completion_tokens=2)

    return await call_by_choice(REQUEST, complete), asked


async def test_each_line_becomes_a_legal_call() -> None:
    for line, offered in offered_calls(TOOLS).items():
        found, asked = await answered(line)
        reply = Reply(found.text, Provenance(Tier.EMBEDDED, "cooperator"), tool_calls=found.tool_calls)
        move, error = read_act(reply, TOOLS, ReaderVersion.SENTENCES)
        assert move is not None, error
        assert len(asked) == (2 if offered.text else 1)
        assert found.prompt_tokens == 10 * len(asked)


async def test_the_text_is_what_the_model_writes_next() -> None:
    found, (first, second) = await answered("create_comment 5")
    assert json.loads(found.tool_calls[0].arguments) == {"post_id": 5, "content": "I agree."}
    assert first.messages[-1].content.startswith("feed\nYour tools: create_post, create_comment 3")
    assert [message.role for message in second.messages] == ["system", "user", "assistant", "user"]
    assert second.choices is None
    assert replace(first, messages=(), choices=None).tools == ()
