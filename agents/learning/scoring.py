"""Log-probabilities of replies under learners' adapters: prompts in, one tensor a prompt out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agents.inference.embedded.sampling import ChoiceTree, Tokens, choice_tree
from agents.inference.provenance import ChatMessage
from agents.learning.adapters import TrainableAdapter
from agents.learning.base_model import FrozenBase
from agents.learning.loss import choice_log_probabilities
from agents.learning.packing import PackedRow, Place, TokenPaths, pack, row_batches
from agents.learning.samples import Prompt
from agents.learning.served import TokenPrompt
from agents.learning.torch_import import torch
from agents.problems import SocietyError

Question = tuple[Prompt, str]
"""A prompt, and the free text whose probability is asked for; empty where the prompt has choices."""


@dataclass(frozen=True)
class ScoreTask:
    """A question in tokens: the paths to compute, with a tree of choices or the tokens of a reply."""

    paths: TokenPaths
    tree: ChoiceTree | None
    reply: Tokens = ()

    @property
    def wanted(self) -> list[int]:
        """Return the tokens whose logits a choice needs."""
        return sorted({token for ways in self.tree.branches.values() for token in ways}) if self.tree else []


class ReplyScorer:
    """Computes log-probabilities with a base model and adapters.

    Args:
        base: The base model.
        batch_tokens: How many tokens are computed at a time, padding included.
    """

    def __init__(self, base: FrozenBase, batch_tokens: int) -> None:
        self._base = base
        self._batch_tokens = batch_tokens
        self._prompt_tokens = lru_cache(maxsize=4096)(base.text.prompt)

    def prompt_tokens(self, messages: tuple[ChatMessage, ...]) -> Tokens:
        """Return a prompt in tokens."""
        return self._prompt_tokens(messages)

    def in_tokens(self, prompts: Sequence[Prompt]) -> list[TokenPrompt]:
        """Return prompts with choices as their tokens."""
        text = self._base.text
        return [
            TokenPrompt(self.prompt_tokens(each.messages), choice_tree(each.choices, text.encode, text.end))
            for each in prompts
        ]

    def batches(self, questions: Sequence[Question]) -> Iterator[ScoreBatch]:
        """Yield batches that together have each question once.

        Raises:
            SocietyError: A prompt is longer than what the model can read.
        """
        tasks = [self._task(*question) for question in questions]
        groups = pack([task.paths for task in tasks], self._base.shares_prefixes)
        for rows in row_batches(groups, self._batch_tokens):
            yield ScoreBatch(self._base, tasks, rows)

    def _task(self, prompt: Prompt, reply: str) -> ScoreTask:
        tokens, text = self.prompt_tokens(prompt.messages), self._base.text
        tree: ChoiceTree | None = None
        answer: Tokens = ()
        tails: tuple[Tokens, ...] = ((),)
        if prompt.choices:
            tree = choice_tree(prompt.choices, text.encode, text.end)
            tails = tuple(tree.branches) or ((),)
        else:
            answer = (*text.encode(reply), text.end)
            tails = (answer[:-1],)
        paths = TokenPaths(prompt.learner, tokens, tails)
        if self._base.context and paths.longest + 1 > self._base.context:
            raise SocietyError(
                f"{prompt.learner}: a prompt and its reply have {paths.longest + 1} tokens, and {self._base.name} "
                f"reads {self._base.context}; shorten the prompt"
            )
        return ScoreTask(paths, tree, answer)


@dataclass(frozen=True)
class ScoreBatch:
    """Rows to compute in one pass, and the questions in them."""

    base: FrozenBase
    tasks: Sequence[ScoreTask]
    rows: Sequence[PackedRow]

    @contextmanager
    def scored(self, adapters: Mapping[str, TrainableAdapter]) -> Iterator[dict[int, Any]]:
        """Give the log-probabilities of each question by its number, in fp64; gradients are computed inside the block.

        Args:
            adapters: Each learner's.
        """
        with self.base.hooks.applied([adapters[row.tree.learner] for row in self.rows]):
            yield self._read(self.base.states(self.rows))

    def _read(self, states: Any) -> dict[int, Any]:
        where = {place: (row, nodes) for row, packed in enumerate(self.rows) for place, nodes in packed.places.items()}
        numbers = sorted({number for number, _ in where})
        choices = [number for number in numbers if self.tasks[number].tree is not None]
        scores = self._choices(states, where, choices) if choices else {}
        for number in numbers:
            if number not in scores:
                scores[number] = self._text(states, where[number, 0], self.tasks[number].reply)
        return scores

    def _choices(self, states: Any, where: Mapping[Place, tuple[int, list[int]]], numbers: list[int]) -> dict[int, Any]:
        """Read all branches of all prompts in one product with the output layer's rows of the tokens allowed there."""
        places = [(number, tail) for number in numbers for tail in range(len(self.tasks[number].paths.tails))]
        vocabulary = sorted({token for number in numbers for token in self.tasks[number].wanted})
        column = {token: place for place, token in enumerate(vocabulary)}
        rows, nodes = zip(*((where[place][0], where[place][1][-1]) for place in places), strict=True)
        logits = self.base.logits(states[list(rows), list(nodes)], vocabulary).double().cpu()
        line = {place: number for number, place in enumerate(places)}
        scores = {}
        for number in numbers:
            tree = self.tasks[number].tree
            assert tree is not None
            branches = {
                prefix: logits[line[number, tail], [column[token] for token in ways]]
                for tail, (prefix, ways) in enumerate(tree.branches.items())
            }
            scores[number] = choice_log_probabilities(tree, branches)
        return scores

    def _text(self, states: Any, where: tuple[int, list[int]], reply: Tokens) -> Any:
        row, nodes = where
        logs = self.base.logits(states[row, nodes]).log_softmax(1)
        taken = logs[torch.arange(len(reply), device=logs.device), torch.tensor(reply, device=logs.device)]
        return taken.double().sum().cpu()[None]
