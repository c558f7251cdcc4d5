"""Whether a model thinks before it answers, and whether it writes a private note before it decides.

| setting             | messages and acts                      | decisions                                             |
|---------------------|----------------------------------------|-------------------------------------------------------|
| `thinking: off`     | the chat template is asked for no thought | the same                                           |
| `thinking: on`      | a thought, then the text               | a note with a thought, then the choice without one    |
| `decide: reasoned`  | nothing changes                        | a note, then the choice                               |
| neither             | what the chat template does            | the choice                                            |

The choice is always a request of its own that a server can constrain: a constraint on a reply that thinks would also
constrain the thought.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Field, Tag

from agents.file_model import FileModel, Whole, word_or_structure
from agents.inference.provenance import Sampling

THOUGHT_TOKENS = 1024
"""The longest thought, in tokens, where `thinking: on` names no budget."""


class Thinking(str, Enum):
    """Whether a model thinks before it answers."""

    OFF = "off"
    ON = "on"


class ThinkingBudget(FileModel):
    """`thinking: {budget: N}`: on, with the longest thought."""

    budget: Whole = Field(ge=1, le=32_768)
    """Tokens that a reply may have for its thought, beside its `max_tokens`."""


def on_or_off(value: object) -> object:
    """Return YAML 1.1's booleans as the words `on` and `off`; anything else as it is."""
    return ("on" if value else "off") if isinstance(value, bool) else value


ThinkingSetting = Annotated[
    Annotated[Annotated[Thinking, BeforeValidator(on_or_off)], Tag("<word>")]
    | Annotated[ThinkingBudget, Tag("<structure>")],
    Discriminator(word_or_structure),
]


class DecideMode(str, Enum):
    """Whether a model decides at once, or after a private note."""

    DIRECT = "direct"
    REASONED = "reasoned"


@dataclass(frozen=True)
class Deliberation:
    """How a model comes to its replies.

    Args:
        thinking: Whether it thinks before it answers; None leaves it to the chat template.
        budget: Tokens that a reply may have for its thought.
        reasoned: Whether it writes a private note before it decides.
    """

    thinking: bool | None = None
    budget: int = THOUGHT_TOKENS
    reasoned: bool = False

    @property
    def notes(self) -> bool:
        """Return whether a decision comes after a note."""
        return self.reasoned or bool(self.thinking)

    def with_settings(
        self, thinking: Thinking | ThinkingBudget | None = None, decide: DecideMode | None = None
    ) -> Deliberation:
        """Return this with a roster row's or a scenario's settings in place of those that they name."""
        changed = self
        if thinking is not None:
            on = thinking is not Thinking.OFF
            budget = thinking.budget if isinstance(thinking, ThinkingBudget) else THOUGHT_TOKENS
            changed = replace(changed, thinking=on, budget=budget)
        return changed if decide is None else replace(changed, reasoned=decide is DecideMode.REASONED)

    def sampling(self, sampling: Sampling) -> Sampling:
        """Return how a reply is drawn that may have a thought."""
        return replace(sampling, max_tokens=sampling.max_tokens + self.budget) if self.thinking else sampling


UNSET = Deliberation()
"""What the chat template does, and a decision at once."""
