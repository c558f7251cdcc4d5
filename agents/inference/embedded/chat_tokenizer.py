"""A model's tokenizer: messages and replies as tokens, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agents.inference.backend import as_openai
from agents.inference.embedded.sampling import Tokens
from agents.inference.embedded.threads import passive_waiting
from agents.inference.provenance import ChatMessage
from agents.inference.thoughts import ends_in_thought

_TAIL = 12
"""Tokens at the end of a prompt in which a thought may be opened."""


class ChatTokenizer:
    """The tokenizer and chat template of a model.

    Args:
        source: The model's folder, or its name at the hub.
        local_files_only: Whether nothing is fetched.
    """

    def __init__(self, source: str | Path, *, local_files_only: bool = True) -> None:
        with passive_waiting():
            from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local_files_only)
        self.end = int(self._tokenizer.eos_token_id)
        self.stops = frozenset((self.end, self._tokenizer.bos_token_id, self._tokenizer.unk_token_id))

    def prompt(self, messages: Sequence[ChatMessage], thinking: bool | None = None) -> Tokens:
        """Return messages as tokens in the model's chat template, up to where its reply begins.

        Args:
            messages: The messages.
            thinking: What the template is told of thinking; a template that knows none ignores it. None tells nothing.
        """
        asked = {} if thinking is None else {"enable_thinking": thinking}
        return tuple(
            self._tokenizer.apply_chat_template(
                as_openai(messages), add_generation_prompt=True, return_dict=False, **asked
            )
        )

    def opens_thought(self, prompt: Tokens) -> bool:
        """Return whether a prompt ends with an opened thought, as some chat templates write it."""
        return ends_in_thought(self._tokenizer.decode(prompt[-_TAIL:]))

    def encode(self, text: str) -> Tokens:
        """Return the tokens of a text without the chat template."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of a reply without special tokens, outer blanks and an incomplete last character."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.rstrip("\ufffd").strip()
