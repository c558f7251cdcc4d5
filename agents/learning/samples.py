"""What a learner learns from, and what trains it.

A sample is one prompt with a reply, or with the worth of every possible reply:

| sample | loss, to be made small |
|---|---|
| `picked`, `weight` | -weight * ratio * log P(picked); the ratio is 1, or P(picked) / behaviour, truncated |
| `values` | -sum over choices of P(choice) * value: the all-action gradient |

A learner's samples are averaged; entropy and the divergence from the parent are added per prompt with choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agents.inference.provenance import ChatMessage
from agents.problems import SocietyError


@dataclass(frozen=True)
class Prompt:
    """A prompt of a learner with the texts that its reply must be one of; without choices the reply is free text."""

    learner: str
    messages: tuple[ChatMessage, ...]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One prompt and what it teaches.

    Args:
        prompt: The prompt.
        picked: The reply: one of the prompt's choices, or free text. Empty where `values` are given.
        weight: How much the reply should become more likely; below 0 less likely.
        values: The worth of each choice, in the prompt's order: d objective / d P(choice).
        behaviour: The probability of `picked` when it was drawn, above 0 and at most 1. None: the ratio is 1.

    Raises:
        SocietyError: The sample has neither a reply nor values, or does not fit its prompt.
    """

    prompt: Prompt
    picked: str = ""
    weight: float = 1.0
    values: tuple[float, ...] = ()
    behaviour: float | None = None

    def __post_init__(self) -> None:
        choices = self.prompt.choices
        if bool(self.picked) == bool(self.values):
            raise SocietyError("a sample has either a reply (picked) or the worth of each choice (values)")
        if self.values and len(self.values) != len(choices):
            raise SocietyError(f"a sample has {len(self.values)} values for {len(choices)} choices")
        if self.picked and choices and self.picked not in choices:
            raise SocietyError(f"a sample's reply {self.picked!r} is none of its choices: {', '.join(choices)}")
        if self.behaviour is not None and not 0 < self.behaviour <= 1:
            raise SocietyError(f"a sample's behaviour probability is {self.behaviour:g}; it must be above 0, at most 1")


@dataclass(frozen=True)
class LossWeights:
    """How the parts of the loss add up.

    Args:
        entropy: Weight of the entropy of choices (nats); more keeps a learner undecided. At least 0.
        kl: Weight of the divergence KL(learner, parent) over choices (nats). At least 0.
        ratio_limit: The largest importance ratio; above it the ratio is cut off. At least 1.
    """

    entropy: float = 0.0
    kl: float = 0.0
    ratio_limit: float = 2.0


@dataclass(frozen=True)
class LossFigures:
    """What one learner's `forward_backward` measured, averaged over its samples. `tokens` counts those of prompts."""

    loss: float
    entropy: float
    kl: float
    samples: int
    tokens: int


@dataclass(frozen=True)
class Version:
    """A learner at one moment: its weights, its optimizer and its random generators, in a folder.

    `name` is `learner-digest`, with the first 12 hex digits of the SHA-256 of its weights.
    """

    learner: str
    name: str
    digest: str
    folder: Path


class Trainer(Protocol):
    """What trains several learners of one base. Same calls, same results, on one machine."""

    def probabilities(self, prompts: Sequence[Prompt]) -> list[tuple[float, ...]]:
        """Return each prompt's probability of every choice, in order; each sums to 1."""

    def forward_backward(self, samples: Sequence[Sample], loss: LossWeights) -> Mapping[str, LossFigures]:
        """Add the gradients of samples of any learners to what is waiting; return the figures of each learner."""

    def optim_step(self, learner: str) -> float:
        """Change a learner by its waiting gradients and clear them; return the length of the gradient."""

    def save_weights(self, learner: str, folder: Path) -> Version:
        """Write a learner's version below `folder`: beside first, then synced and renamed."""

    def load_weights(self, learner: str, version: Path) -> None:
        """Make a learner what a version is: weights, optimizer and generators."""
