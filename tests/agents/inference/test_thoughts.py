"""Thoughts are told apart from answers: tags, channels, replies that were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.thoughts import Thought, ends_in_thought, split_thought

SECRET = "I will promise to cooperate and then defect."


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\n{SECRET}\n</think>\n\nHello",
        f"{SECRET}\n</think>\n\nHello",
        f"<thinking>{SECRET}</thinking>Hello",
        f"<THINK>{SECRET}</THINK> Hello",
        f"<thought>{SECRET}</thought>Hello",
        f"<reasoning>{SECRET}</reasoning>\nHello",
        f"◁think▷{SECRET}◁/think▷Hello",
        f"[THINK]{SECRET}[/THINK]Hello",
        f"<seed:think>{SECRET}</seed:think>Hello",
        f"<|begin_of_thought|>{SECRET}<|end_of_thought|>Hello",
        f"<|channel|>analysis<|message|>{SECRET}<|end|><|start|>assistant<|channel|>final<|message|>Hello<|return|>",
        f"analysis{SECRET}assistantfinalHello",
        f"Hello<think>{SECRET}",
        f"<think>{SECRET}<think>more</think>still</think>Hello",
    ],
)
def test_a_thought_is_told_apart(text: str) -> None:
    found = split_thought(text)
    assert found.text == "Hello"
    assert SECRET in found.reasoning


@pytest.mark.parametrize(
    "text", [f"<think>\n{SECRET}", f"<|channel|>analysis<|message|>{SECRET}", f"<think>a</think><think>{SECRET}"]
)
def test_a_reply_that_is_cut_within_its_thought_has_no_text(text: str) -> None:
    found = split_thought(text)
    assert (found.text, found.cut) == ("", True)
    assert SECRET in found.reasoning


def test_a_reply_to_a_prompt_that_opened_a_thought() -> None:
    assert split_thought(SECRET, opened=True) == Thought("", SECRET, cut=True)
    assert split_thought(f"{SECRET}</think>Hello", opened=True) == Thought("Hello", SECRET)


@pytest.mark.parametrize("text", ["Hello", "a < b > c", "analysis of the game", "[1] <b>bold</b>", "I think so", ""])
def test_a_reply_without_a_thought_stays_as_it_is(text: str) -> None:
    assert split_thought(text) == Thought(text)


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "a", "b ", "<|channel|>final<|message|>", "[/THINK]"]), max_size=8)
)
def test_nothing_within_tags_becomes_text(parts: list[str]) -> None:
    found = split_thought("".join(parts))
    assert "<think>" not in found.text
    assert "</think>" not in found.text
    if (
        parts[:1] == ["<think>"]
        and "</think>" not in parts
        and "[/THINK]" not in parts
        and not any("channel" in each for each in parts)
    ):
        assert found.text == ""


@pytest.mark.parametrize(
    ("prompt", "opened"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("<|im_start|>assistant\n", False),
    ],
)
def test_a_prompt_may_open_the_thought(prompt: str, opened: bool) -> None:
    assert ends_in_thought(prompt) is opened
