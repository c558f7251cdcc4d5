"""The probabilities of choices at a vLLM server, as the trainer and the embedded tier define them.

vLLM gives the log-probability of every token of a prompt. So each choice is sent as a prompt: the tokens that the model
reads, then the choice's own with the end token. Two tokens that part at a branch have the same tokens before them:
their log-probabilities differ by what their logits differ, and only that counts in a branch's probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.inference.embedded.sampling import ChoiceTree, Tokens, choice_probabilities
from agents.inference.vllm.lifecycle import LifecycleError, LoraLifecycle

_TOKENS_A_CALL = 20_000  # so that no answer is too long to read


@dataclass(frozen=True)
class TokenPrompt:
    """A prompt with choices, in tokens."""

    tokens: Tokens
    tree: ChoiceTree

    @property
    def texts(self) -> list[Tokens]:
        """Return the prompt followed by each choice, in order."""
        return [self.tokens + path for path in self.tree.paths.values()]

    def chances(self, logs: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """Return the probability of every choice, in order; they sum to 1.

        Args:
            logs: For each choice, the log-probability of each token of its path, given those before.
        """
        after = {
            path[: depth + 1]: log
            for path, row in zip(self.tree.paths.values(), logs, strict=True)
            for depth, log in enumerate(row)
        }
        branches = {
            prefix: np.array([after[place] for place in ((*prefix, way) for way in ways)])
            for prefix, ways in self.tree.branches.items()
        }
        return tuple(choice_probabilities(self.tree, branches).values())


async def served_chances(server: LoraLifecycle, name: str, asked: Sequence[TokenPrompt]) -> list[tuple[float, ...]]:
    """Return the probabilities of every prompt's choices under a served name.

    Args:
        server: A vLLM server.
        name: The served name.
        asked: The prompts.

    Raises:
        LifecycleError: The server does not answer under this name, or gives no log-probabilities of prompts.
    """
    texts = [(text, len(prompt.tokens)) for prompt in asked for text in prompt.texts]
    logs: list[list[float]] = []
    for part in _parts(texts):
        logs += await _logs(server, name, part)
    rows = iter(logs)
    return [prompt.chances([next(rows) for _ in prompt.texts]) for prompt in asked]


def _parts(texts: Sequence[tuple[Tokens, int]]) -> Iterator[list[tuple[Tokens, int]]]:
    """Yield as many texts at a time as one call may have tokens, at least one."""
    part: list[tuple[Tokens, int]] = []
    for text in texts:
        if part and sum(len(tokens) for tokens, _ in (*part, text)) > _TOKENS_A_CALL:
            yield part
            part = []
        part.append(text)
    yield part


async def _logs(server: LoraLifecycle, name: str, texts: Sequence[tuple[Tokens, int]]) -> list[list[float]]:
    """Return, for each text, the log-probability of each token from a place on."""
    request = {"prompt": [list(text) for text, _ in texts], "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
    answer = await server.complete(name, request)
    try:
        choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
        return [_path(choice["prompt_logprobs"], *text) for choice, text in zip(choices, texts, strict=True)]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise LifecycleError(
            f"{server.url} gives no log-probabilities of prompts as {name!r} ({error!r}); serve the adapters of a "
            "training with vLLM (society serve)"
        ) from error


def _path(rows: Sequence[Mapping[str, Any]], text: Tokens, start: int) -> list[float]:
    return [float(rows[place][str(text[place])]["logprob"]) for place in range(start, len(text))]
