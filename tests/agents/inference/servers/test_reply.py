"""The message of a completion: content in all its forms, reasoning, tool calls."""

from __future__ import annotations

from typing import Any

import pytest

from agents.inference.backend import Completion
from agents.inference.errors import BadReplyError
from agents.inference.provenance import ToolCall
from agents.inference.servers.reply import read_message

URL = "http://h/v1"
SECRET = "I will defect in the end."
CHOICES = ("cooperate", "defect")


def read(message: dict[str, Any], allowed: tuple[str, ...] = (), *, thinks: bool = False, **choice: Any) -> Completion:
    usage = choice.pop("usage", {})
    return read_message({"message": message, "finish_reason": "stop"} | choice, usage, URL, allowed, thinks=thinks)


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Hello", "reasoning_content": SECRET},
        {"content": "Hello", "reasoning": SECRET},
        {"content": "Hello", "reasoning": SECRET, "reasoning_content": None},
        {"content": "Hello", "reasoning_details": [{"type": "reasoning.text", "text": SECRET}]},
        {"content": f"<think>{SECRET}</think>Hello"},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]},
                {"type": "text", "text": "Hello"},
            ]
        },
        {"content": [{"type": "reasoning", "summary": [{"text": SECRET}]}, {"type": "output_text", "text": "Hello"}]},
    ],
)
def test_reasoning_is_never_in_the_text(message: dict[str, Any]) -> None:
    found = read(message)
    assert (found.text, found.reasoning) == ("Hello", SECRET)


@pytest.mark.parametrize(
    ("message", "choice"),
    [
        ({"content": None, "reasoning_content": SECRET}, {"finish_reason": "length"}),
        ({"content": None, "reasoning_content": SECRET}, {}),
        ({"content": f"<think>{SECRET}"}, {"finish_reason": "length"}),
        ({"content": SECRET}, {"finish_reason": "length", "thinks": True}),
        ({"content": "", "reasoning": SECRET}, {"finish_reason": "length"}),
        ({"reasoning": SECRET}, {"finish_reason": "length"}),
    ],
)
def test_a_reply_cut_within_its_thought_is_empty(message: dict[str, Any], choice: dict[str, Any]) -> None:
    found = read(message, **choice)
    assert (found.text, found.reasoning) == ("", SECRET)


def test_a_whole_reply_of_a_model_that_was_asked_to_think_is_its_text() -> None:
    assert read({"content": "Hello"}, thinks=True).text == "Hello"
    # the server took the thought out already, and the answer was cut
    assert read({"content": "Hel", "reasoning": SECRET}, thinks=True, finish_reason="length").text == "Hel"


def test_a_constrained_choice_in_the_reasoning_is_read() -> None:
    """vLLM with a reasoning parser puts the choice there (vLLM 15618)."""
    message = {"content": None, "reasoning_content": "cooperate\n"}
    found = read(message, CHOICES)
    assert (found.text, found.reasoning, found.constrained) == ("cooperate", "", True)
    assert read(message).text == ""  # a message is never taken from the thought
    assert read({"content": None, "reasoning": "I might cooperate"}, CHOICES).text == ""
    assert read({"content": "defect", "reasoning": "cooperate"}, CHOICES).text == "defect"


@pytest.mark.parametrize(("text", "constrained"), [("cooperate", True), ("I cooperate.", False), ("", False)])
def test_a_reply_is_constrained_if_it_is_a_choice_to_the_letter(text: str, constrained: bool) -> None:
    assert read({"content": text}, CHOICES).constrained is constrained
    assert not read({"content": text}).constrained


def test_tokens_of_thought_are_counted_apart() -> None:
    usage = {"prompt_tokens": 300, "completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 60}}
    found = read({"content": None}, usage=usage, finish_reason="length")
    assert (found.text, found.completion_tokens, found.reasoning_tokens) == ("", 64, 60)
    assert (
        read({"content": "x"}, usage={"completion_tokens_details": {"reasoning_tokens": "many"}}).reasoning_tokens
        is None
    )


@pytest.mark.parametrize(
    "message", [{}, {"content": None}, {"content": 5}, {"content": {"text": "x"}}, {"content": [5]}]
)
def test_a_message_with_nothing_is_no_reply(message: dict[str, Any]) -> None:
    with pytest.raises(BadReplyError, match="content is missing"):
        read(message)


@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}]},
        {"tool_calls": [], "function_call": {"name": "f", "arguments": '{"a":1}'}},
        {"function_call": {"name": "f", "arguments": {"a": 1}}},
    ],
)
def test_tool_calls_of_all_shapes_are_read(message: dict[str, Any]) -> None:
    (call,) = read({"content": None, **message}).tool_calls
    assert (call.name, call.arguments) == ("f", '{"a":1}')


def test_a_call_without_arguments_has_none() -> None:
    assert read({"tool_calls": [{"function": {"name": "f", "arguments": None}}]}).tool_calls == (
        ToolCall("", "f", "{}"),
    )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"function": {"arguments": "{}"}}, "names no function"),
        ({"function": {"name": "", "arguments": "{}"}}, "names no function"),
        ({"function": {"name": "f", "arguments": [1]}}, "arguments of f that are no mapping"),
    ],
)
def test_a_broken_tool_call_has_its_true_cause(row: dict[str, Any], said: str) -> None:
    with pytest.raises(BadReplyError, match=said):
        read({"tool_calls": [row]})
