"""Social actions as tools: legal targets only, and strict reading of calls."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.answers import ReaderVersion
from agents.inference.provenance import Provenance, Reply, Tier, ToolCall
from agents.network import GAME_ACTIONS, SocialActionName, SocialMove
from agents.social import LONGEST_TEXT, FeedPost, Tool, plan_call, read_act, social_tools

EVERYTHING = GAME_ACTIONS
FEED = (FeedPost(7, 2, "cleo", "hello"), FeedPost(5, 0, "ada", "mine"))


def names(feed: tuple[FeedPost, ...], user_id: int = 0) -> list[str]:
    return [tool["function"]["name"] for tool in social_tools(EVERYTHING, feed, user_id)]


def made(
    calls: tuple[ToolCall, ...], tools: tuple[Tool, ...], reader: ReaderVersion = ReaderVersion.SENTENCES
) -> SocialMove | None:
    """Return the move of a reply with these tool calls."""
    move, error = read_act(replied("", *calls), tools, reader)
    assert (move is None) is bool(error) or reader is ReaderVersion.EXACT_ONLY
    return move


def replied(text: str, *calls: ToolCall) -> Reply:
    return Reply(text, Provenance(Tier.HTTP, "a"), tool_calls=calls)


def call(name: str, **arguments: object) -> tuple[ToolCall, ...]:
    return (ToolCall("1", name, json.dumps(arguments)),)


def test_an_action_without_a_legal_target_is_not_offered() -> None:
    assert names(()) == ["create_post", "do_nothing"]
    assert names(FEED) == ["create_post", "create_comment", "like_post", "follow", "do_nothing"]
    assert "follow" not in names((FEED[1],), user_id=0)  # nobody follows themselves


def test_targets_are_the_posts_shown_and_their_authors() -> None:
    functions = [tool["function"] for tool in social_tools(EVERYTHING, FEED, 0)]
    shapes = {function["name"]: function["parameters"]["properties"] for function in functions}
    assert shapes["like_post"]["post_id"]["enum"] == [7, 5]
    assert shapes["follow"]["followee_id"]["enum"] == [2]


def test_social_tools_are_strict_schemas() -> None:
    for tool in social_tools(EVERYTHING, FEED, 0):
        assert tool["function"]["strict"] is True
        assert tool["function"]["parameters"]["additionalProperties"] is False


def test_a_legal_call_is_a_move() -> None:
    move = made(call("create_comment", post_id=7, content="yes"), social_tools(EVERYTHING, FEED, 0))
    assert move is not None
    assert (move.action, move.arguments) == (SocialActionName.CREATE_COMMENT, {"post_id": 7, "content": "yes"})


@pytest.mark.parametrize(
    "calls",
    [
        (),
        call("like_post", post_id=6),  # not shown
        call("like_post", post_id=True),
        call("like_post"),
        call("like_post", post_id=7, extra=1),
        call("follow", followee_id=0),  # itself
        call("delete_everything"),
        call("create_post", content=""),
        call("create_post", content="  "),
        call("create_post", content="x" * (LONGEST_TEXT + 1)),
        call("create_post", content=3),
        (ToolCall("1", "create_post", "{broken"),),
        (ToolCall("1", "create_post", "[1]"),),
    ],
)
def test_an_illegal_call_is_no_move(calls: tuple[ToolCall, ...]) -> None:
    assert made(calls, social_tools(EVERYTHING, FEED, 0)) is None


@given(st.text(), st.text())
def test_reading_takes_any_text_without_an_error(name: str, arguments: str) -> None:
    made((ToolCall("1", name, arguments),), social_tools(EVERYTHING, FEED, 0))


@given(st.integers(), st.sets(st.sampled_from(GAME_ACTIONS), min_size=1))
def test_a_scripted_player_only_makes_legal_moves(seed: int, actions: set[SocialActionName]) -> None:
    tools = social_tools(tuple(actions), FEED, 0)
    if tools:
        assert made((plan_call(tools, lambda: "words", random.Random(seed)),), tools) is not None


POST = {"content": "let us cooperate"}
NEVER_CLEAR = (
    "I will write a post: let us cooperate!",
    "",
    '{"name": "delete_everything", "arguments": {}}',
    '{"content": "let us cooperate"}',
    '{"name": "create_post", "arguments": {"content": "a"}} {"name": "create_post", "arguments": {"content": "b"}}',
    '<tool_call>{"name": "create_post", "arguments": {"content": "a"}}</tool_call>'
    '<tool_call>{"name": "do_nothing", "arguments": {}}</tool_call>',
    '[{"name": "create_post", "arguments": {"content": "a"}}, {"name": "do_nothing"}]',
)


@pytest.mark.parametrize(
    "tool", ["{}", "```json\n{}\n```", "<tool_call>\n{}\n</tool_call>", "I post:\n```\n{}\n```", "[{}]"]
)
@pytest.mark.parametrize(
    "body",
    [
        {"name": "create_post", "arguments": POST},
        {"name": "create_post", "parameters": POST},
        {"type": "function", "function": {"name": "create_post", "arguments": json.dumps(POST)}},
        {"action": "create_post", "action_input": POST},
        {"create_post": POST},
    ],
)
def test_a_call_in_the_text_is_read(tool: str, body: dict[str, object]) -> None:
    move, error = read_act(
        replied(tool.replace("{}", json.dumps(body))), social_tools(EVERYTHING, FEED, 0), ReaderVersion.SENTENCES
    )
    assert (move, error) == (SocialMove(SocialActionName.CREATE_POST, POST), "")


@pytest.mark.parametrize("text", NEVER_CLEAR)
def test_a_text_without_one_clear_call_is_no_move(text: str) -> None:
    move, error = read_act(replied(text), social_tools(EVERYTHING, FEED, 0), ReaderVersion.SENTENCES)
    assert move is None
    assert "calls no tool" in error


@pytest.mark.parametrize("arguments", ["```json\n{}\n```", "```\n{}```", " {} ", '"{}"'])
def test_wrapped_arguments_are_read(arguments: str) -> None:
    body = json.dumps(POST)
    text = json.dumps(body) if arguments == '"{}"' else arguments.replace("{}", body)
    calls = (ToolCall("1", "create_post", text),)
    tools = social_tools(EVERYTHING, FEED, 0)
    assert made(calls, tools) == SocialMove(SocialActionName.CREATE_POST, POST)
    assert (made(calls, tools, ReaderVersion.EXACT_ONLY) is not None) is (arguments == " {} ")


@pytest.mark.parametrize("number", ["7", 7.0, "7.0", " 7"])
def test_a_number_in_another_type_is_read(number: object) -> None:
    move = made(call("like_post", post_id=number), social_tools(EVERYTHING, FEED, 0))
    assert move == SocialMove(SocialActionName.LIKE_POST, {"post_id": 7})


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (call("delete_everything"), "not offered; offered: create_post"),
        (call("like_post"), "post_id is missing"),
        (call("like_post", post_id=99), "post_id 99 is not one of 7, 5"),
        (call("like_post", post_id=7, why="x"), "takes no 'why'; it takes: post_id"),
        ((ToolCall("1", "create_post", "{broken"),), "no JSON object"),
        (call("create_post", content=" "), "a text of 1 to"),
    ],
)
def test_the_reason_of_an_illegal_call_is_its_true_cause(calls: tuple[ToolCall, ...], said: str) -> None:
    assert said in read_act(replied("", *calls), social_tools(EVERYTHING, FEED, 0), ReaderVersion.SENTENCES)[1]
