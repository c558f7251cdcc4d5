"""The embedded tier tells thoughts from answers, as the servers' tiers do. No model is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from agents.inference.backend import Completion
from agents.inference.embedded.chat_tokenizer import ChatTokenizer
from agents.inference.embedded.engine import BatchRow, Draft, EmbeddedEngine
from agents.inference.provenance import ChatMessage
from tests.agents.inference.conftest import make_request


class Letters:
    """A tokenizer of letters whose template opens a thought where it is asked to."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def apply_chat_template(self, messages: list[dict[str, str]], **options: Any) -> list[int]:
        self.asked.append(options)
        opened = "<think>\n" if options.get("enable_thinking") else ""
        return [ord(letter) for letter in f"{messages[-1]['content']}\n{opened}"]

    def decode(self, tokens: Any, **_options: Any) -> str:
        return "".join(map(chr, tokens))


@pytest.fixture
def text() -> ChatTokenizer:
    made = ChatTokenizer.__new__(ChatTokenizer)
    made._tokenizer = Letters()
    return made


def completed(text: ChatTokenizer, reply: str, thinking: bool | None) -> Completion:
    engine = EmbeddedEngine.__new__(EmbeddedEngine)
    engine.model = type("Model", (), {"text": text})()
    tokens = text.prompt((ChatMessage("user", "Who are you?"),), thinking)
    row = BatchRow(make_request("a"), tokens, None)
    draft = Draft(row, row.stream(), [ord(letter) for letter in reply], "stop")
    return engine._completion(draft, 0.0)


@pytest.mark.parametrize(
    ("reply", "thinking", "said", "reasoning"),
    [
        ("I am ann.", None, "I am ann.", ""),
        ("I am ann.", False, "I am ann.", ""),
        ("<think>a secret</think>I am ann.", None, "I am ann.", "a secret"),
        ("a secret</think>I am ann.", True, "I am ann.", "a secret"),
        ("a secret", True, "", "a secret"),
        ("<think>a secret", None, "", "a secret"),
    ],
)
def test_thoughts_are_no_text(
    text: ChatTokenizer, reply: str, thinking: bool | None, said: str, reasoning: str
) -> None:
    found = completed(text, reply, thinking)
    assert (found.text, found.reasoning) == (said, reasoning)


@pytest.mark.parametrize("thinking", [None, True, False])
def test_the_template_is_told_of_thinking_only_where_it_is_set(text: ChatTokenizer, thinking: bool | None) -> None:
    text.prompt((ChatMessage("user", "x"),), thinking)
    (asked,) = text._tokenizer.asked
    assert asked.get("enable_thinking", "unset") == ("unset" if thinking is None else thinking)
