"""Social actions as tools: legal targets only, and what comes is read strictly."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.provenance import ToolCall
from agents.social import LONGEST_TEXT, FeedPost, SocialActionName, plan_call, read_move, social_tools

EVERYTHING = tuple(SocialActionName)
FEED = (FeedPost(7, 2, "cleo", "hello"), FeedPost(5, 0, "ada", "mine"))


def names(feed: tuple[FeedPost, ...], user_id: int = 0) -> list[str]:
    return [tool["function"]["name"] for tool in social_tools(EVERYTHING, feed, user_id)]


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
    move = read_move(call("create_comment", post_id=7, content="yes"), social_tools(EVERYTHING, FEED, 0))
    assert move is not None
    assert (move.action, move.arguments) == (SocialActionName.CREATE_COMMENT, {"post_id": 7, "content": "yes"})


@pytest.mark.parametrize(
    "calls",
    [
        (),
        call("like_post", post_id=6),  # not shown
        call("like_post", post_id=True),
        call("like_post", post_id="7"),
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
    assert read_move(calls, social_tools(EVERYTHING, FEED, 0)) is None


@given(st.text(), st.text())
def test_read_move_reads_any_text_without_an_error(name: str, arguments: str) -> None:
    read_move((ToolCall("1", name, arguments),), social_tools(EVERYTHING, FEED, 0))


@given(st.integers(), st.sets(st.sampled_from(SocialActionName), min_size=1))
def test_a_scripted_player_only_makes_legal_moves(seed: int, actions: set[SocialActionName]) -> None:
    tools = social_tools(tuple(actions), FEED, 0)
    if tools:
        assert read_move((plan_call(tools, lambda: "words", random.Random(seed)),), tools) is not None
