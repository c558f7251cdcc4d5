"""The loss of a learner's samples, from the log-probabilities of what its prompts were or could be answered.

Samples of one prompt share one computation: their weights add up. `agents.learning.samples` has the table of losses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.inference.embedded.sampling import ChoiceTree, Tokens
from agents.learning.samples import LossWeights, Prompt, Sample
from agents.learning.torch_import import torch


@dataclass
class PromptLesson:
    """All samples of one prompt, or of one reply to it where the reply is free text.

    Attributes:
        prompt: The prompt.
        reply: The free text; empty where the prompt has choices.
        samples: Its samples.
        parent: The parent's probability of each choice; empty where the divergence is not asked for.
    """

    prompt: Prompt
    reply: str = ""
    samples: list[Sample] = field(default_factory=list)
    parent: tuple[float, ...] = ()

    def loss(self, logs: Any, weights: LossWeights) -> LossParts:
        """Return the sum of its samples' losses.

        Args:
            logs: Log-probabilities (choices,) in the prompt's order; of a free text (1,).
            weights: How the parts add up.
        """
        chances = logs.exp()
        total = -(self._pushes(chances.detach(), weights.ratio_limit) * logs).sum()
        if worth := [sample.values for sample in self.samples if sample.values]:
            total = total - (torch.tensor(worth, dtype=logs.dtype, device=logs.device).sum(0) * chances).sum()
        entropy = kl = logs.new_zeros(())
        if self.prompt.choices:
            entropy = -(chances * logs).sum() * len(self.samples)
            kl = self._divergence(logs, chances) * len(self.samples)
        return LossParts(total - weights.entropy * entropy + weights.kl * kl, entropy, kl)

    def _divergence(self, logs: Any, chances: Any) -> Any:
        if not self.parent:
            return logs.new_zeros(())
        parent = torch.tensor(self.parent, dtype=logs.dtype, device=logs.device).clamp_min(1e-300).log()
        return (chances * (logs - parent)).sum()

    def _pushes(self, chances: Any, limit: float) -> Any:
        """Return weight * ratio, summed by choice; the ratio is a factor, with no gradient of its own."""
        pushes = [0.0] * len(chances)
        known = chances.tolist()
        for sample in self.samples:
            if sample.picked:
                place = self.prompt.choices.index(sample.picked) if self.prompt.choices else 0
                ratio = 1.0 if sample.behaviour is None else min(known[place] / sample.behaviour, limit)
                pushes[place] += sample.weight * ratio
        return torch.tensor(pushes, dtype=chances.dtype, device=chances.device)


@dataclass(frozen=True)
class LossParts:
    """The loss with all its parts, and two of them unweighted."""

    loss: Any
    entropy: Any
    kl: Any

    def figures(self) -> tuple[float, float, float]:
        """Return loss, entropy and divergence as numbers."""
        return float(self.loss.detach()), float(self.entropy.detach()), float(self.kl.detach())


def lessons_of(samples: Iterable[Sample]) -> list[PromptLesson]:
    """Return the samples grouped by learner, prompt and free text."""
    lessons: dict[tuple[Prompt, str], PromptLesson] = {}
    for sample in samples:
        key = (sample.prompt, "" if sample.prompt.choices else sample.picked)
        lessons.setdefault(key, PromptLesson(*key)).samples.append(sample)
    return list(lessons.values())


def choice_log_probabilities(tree: ChoiceTree, branches: Mapping[Tokens, Any]) -> Any:
    """Return log P of every choice (choices,): along its tokens, renormalised over those allowed at each branch.

    Args:
        tree: The choices.
        branches: For each prefix of `tree.branches`, the logits of the tokens allowed there.
    """
    steps = {
        (prefix, token): logs[place]
        for prefix, tokens in tree.branches.items()
        for logs in [branches[prefix].log_softmax(0)]
        for place, token in enumerate(tokens)
    }
    return torch.stack([_along(path, steps) for path in tree.paths.values()])


def _along(path: Sequence[int], steps: Mapping[tuple[Tokens, int], Any]) -> Any:
    taken = ((tuple(path[:depth]), token) for depth, token in enumerate(path))
    found = [steps[step] for step in taken if step in steps]
    return sum(found[1:], found[0]) if found else torch.zeros((), dtype=torch.float64)
