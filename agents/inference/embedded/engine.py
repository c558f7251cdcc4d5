"""Requests in, texts and probabilities out, in batches. Synchronous.

Sampling a row uses only that row's own logits and random stream. A row whose logits are not finite gets an error of its
own, and the others of its batch their replies. On a CPU each prompt with choices is computed by itself, once: players
meet few prompts often, and a batch is no faster there. A text's first token is computed once in the same way, where its
batch has one row. All other logits have the rounding of the batch that they were computed in (about 1e-5 in fp32, 1e-2
in bf16), so a near-tie can be decided differently in another batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np

from agents.inference.adapter_folder import AdapterFolder, UnusableAdapterError
from agents.inference.backend import Completion
from agents.inference.embedded.adapters import SMALL_MODEL, EmbeddedBase, resolve
from agents.inference.embedded.model import Batch, EmbeddedModel
from agents.inference.embedded.sampling import (
    ChoiceTree,
    Floats,
    Tokens,
    choice_probabilities,
    choice_tree,
    draw_choice,
    draw_token,
    row_generator,
)
from agents.inference.errors import InferenceError, PermanentError
from agents.inference.provenance import Request
from agents.inference.thoughts import split_thought

BATCH_ROWS = 16
BATCH_TOKENS = 16_384
LOOK_AHEAD_ROWS = 32
REMEMBERED = 4096
"""How many prompts with choices keep their probabilities."""
PREFILLED = 8
"""How many prompts of texts keep their key-value cache, some 10 MB each for the small model."""

Answer = TypeVar("Answer")
Outcome = Completion | InferenceError
Shares = dict[str, float]


@dataclass(frozen=True)
class BatchRow:
    """A request as a row of a batch: its prompt in tokens, its adapter (None is the base), its choices as a tree."""

    request: Request
    tokens: Tokens
    adapter: AdapterFolder | None
    tree: ChoiceTree | None = None

    @property
    def choices(self) -> ChoiceTree:
        """Return the choices. Raises ValueError for a request without choices."""
        if self.tree is None:
            raise ValueError(f"{self.request.key}: the request has no choices")
        return self.tree

    @property
    def question(self) -> tuple[Tokens, AdapterFolder | None, tuple[str, ...]]:
        """Return what the probabilities of the choices depend on."""
        return self.tokens, self.adapter, tuple(self.choices.paths)

    def stream(self) -> np.random.Generator:
        """Return this row's own random stream."""
        return row_generator(self.request.seed, self.request.key)


@dataclass
class Draft:
    """A text that is being generated for `row`: the tokens so far; `finish_reason` is empty until it ends."""

    row: BatchRow
    rng: np.random.Generator
    tokens: list[int] = field(default_factory=list)
    finish_reason: str = ""
    failure: InferenceError | None = None

    def fail(self, error: InferenceError) -> None:
        """End the text with an error."""
        self.failure, self.finish_reason = error, "error"

    def extend(self, logits: Floats, stops: frozenset[int]) -> None:
        """Draw the next token from finite `logits`; `stops` are the tokens that end the text."""
        sampling = self.row.request.sampling
        self.tokens.append(draw_token(logits, sampling.temperature, sampling.top_p, self.rng))
        if self.tokens[-1] in stops:
            self.finish_reason = "stop"
        elif len(self.tokens) >= sampling.max_tokens:
            self.finish_reason = "length"


class EmbeddedEngine:
    """The embedded model as a function of requests. A lock lets one thread compute at a time."""

    def __init__(self, source: str | Path, dtype: str | None = None, base: EmbeddedBase = SMALL_MODEL) -> None:
        """Load the model; the arguments are those of EmbeddedModel."""
        self.model = EmbeddedModel(source, dtype, base)
        self._lock = Lock()
        self._alone = lru_cache(maxsize=REMEMBERED)(self._computed_alone)
        self._prefilled = lru_cache(maxsize=PREFILLED)(self._prefill_alone)

    def ready(self, request: Request) -> BatchRow:
        """Tokenise and check a request, and load its adapter.

        Raises:
            UnknownAdapterError: The adapter is not known, or its folder cannot be used.
            PermanentError: Prompt and reply do not fit into the model's context.
        """
        adapter = resolve(request.adapter, request.adapter_path, request.base_stated, self.model.base)
        tokens = self.model.text.prompt(request.messages, request.thinking)
        tree = request.choices and choice_tree(request.choices, self.model.text.encode, self.model.text.end)
        row = BatchRow(request, tokens, adapter, tree or None)
        self._check_context(row)
        if adapter is not None:
            with self._lock:
                self.model.bank.load(adapter)
        return row

    def _check_context(self, row: BatchRow) -> None:
        reply = max(map(len, row.tree.paths.values())) if row.tree else row.request.sampling.max_tokens
        if len(row.tokens) + reply > self.model.context:
            raise PermanentError(
                f"{row.request.key.model_id}: a prompt of {len(row.tokens)} tokens and a reply of {reply} "
                f"exceed the {self.model.context} tokens {self.model.base.name} can read; shorten the prompt or lower "
                "max_tokens"
            )

    def talk(self, rows: Sequence[BatchRow]) -> list[Outcome]:
        """Return a free text for each row, or its error, in order; `first_token_time` counts from this call."""
        return self._in_batches(rows, partial(self._talk, time.perf_counter()))

    def choose(self, rows: Sequence[BatchRow]) -> list[Outcome]:
        """Return one of its choices for each row, or its error, in order; `choice_probability` is P at temperature 1.

        The temperature applies to whole choices; `top_p` and `max_tokens` do not apply.
        """
        return [
            shares if isinstance(shares, InferenceError) else _chosen(row, shares)
            for row, shares in zip(rows, self._shares(rows), strict=True)
        ]

    def choice_distribution(self, requests: Sequence[Request]) -> list[Shares]:
        """Return the exact P of every choice of each request at temperature 1, in order; each sums to 1.

        Raises:
            InferenceError: As `ready`, or the logits of a row are not finite.
        """
        found = self._shares([self.ready(request) for request in requests])
        for each in found:
            if isinstance(each, InferenceError):
                raise each
        return [each for each in found if not isinstance(each, InferenceError)]

    def _shares(self, rows: Sequence[BatchRow]) -> list[Shares | InferenceError]:
        """Return P of every choice, or a row's error."""
        if self.model.on_gpu:
            found = self._in_batches(rows, self._distributions)
        else:
            found = self._in_batches(rows, lambda some: [self._alone(*row.question) for row in some])
        return [
            logits_error(row, self.model.base.name) if shares is None else shares
            for row, shares in zip(rows, found, strict=True)
        ]

    def _computed_alone(self, tokens: Tokens, adapter: AdapterFolder | None, choices: tuple[str, ...]) -> Shares | None:
        tree = choice_tree(choices, self.model.text.encode, self.model.text.end)
        return _probabilities(tree, *self._branches([tokens], [adapter], [tree]))

    def _prefill_alone(self, tokens: Tokens, adapter: AdapterFolder | None) -> Batch:
        return self.model.prefill([tokens], [adapter])

    def _in_batches(
        self, rows: Sequence[BatchRow], answer: Callable[[Sequence[BatchRow]], list[Answer]]
    ) -> list[Answer]:
        """Apply `answer` to batches of rows of similar length; the batches do not depend on the order of the rows."""
        import torch

        answers: dict[int, Answer] = {}
        for indices in batches(rows):
            with self._lock, torch.inference_mode():
                answers.update(zip(indices, answer([rows[i] for i in indices]), strict=True))
        return [answers[i] for i in range(len(rows))]

    def _talk(self, began: float, rows: Sequence[BatchRow]) -> list[Outcome]:
        drafts = [Draft(row, row.stream()) for row in rows]
        batch, live = self._begun(rows), drafts
        first_token_time = None
        while True:
            for place, draft in enumerate(live):
                self._extend(draft, batch.last(place))
            first_token_time = first_token_time or time.perf_counter() - began
            unfinished = [place for place, draft in enumerate(live) if not draft.finish_reason]
            if not unfinished:
                return [draft.failure or self._completion(draft, first_token_time) for draft in drafts]
            if len(unfinished) < len(live):
                self.model.select(batch, unfinished)
                live = [live[place] for place in unfinished]
            self.model.advance(batch, [[draft.tokens[-1]] for draft in live])

    def _begun(self, rows: Sequence[BatchRow]) -> Batch:
        if len(rows) > 1:
            return self.model.prefill([row.tokens for row in rows], [row.adapter for row in rows])
        return self.model.begun_again(self._prefilled(rows[0].tokens, rows[0].adapter))

    def _extend(self, draft: Draft, logits: Floats) -> None:
        if np.isfinite(logits).all():
            draft.extend(logits, self.model.text.stops)
        else:
            draft.fail(logits_error(draft.row, self.model.base.name))

    def _completion(self, draft: Draft, first_token_time: float) -> Completion:
        text = self.model.text
        said = split_thought(text.decode(draft.tokens), opened=text.opens_thought(draft.row.tokens))
        return Completion(
            text=said.text,
            reasoning=said.reasoning,
            prompt_tokens=len(draft.row.tokens),
            completion_tokens=len(draft.tokens),
            finish_reason=draft.finish_reason,
            first_token_time=first_token_time,
        )

    def _distributions(self, rows: Sequence[BatchRow]) -> list[Shares | None]:
        """Return P of every choice, None where logits are not finite."""
        trees = [row.choices for row in rows]
        logits = self._branches([row.tokens for row in rows], [row.adapter for row in rows], trees)
        return [_probabilities(tree, found) for tree, found in zip(trees, logits, strict=True)]

    def _branches(
        self, prompts: Sequence[Tokens], adapters: Sequence[AdapterFolder | None], trees: Sequence[ChoiceTree]
    ) -> list[dict[Tokens, Floats]]:
        """Return the logits of the tokens allowed at every branch of each prompt's choices.

        It takes one pass over the prompts, and one over all later tokens where choices differ.
        """
        batch = self.model.prefill(prompts, adapters)
        logits: list[dict[Tokens, Floats]] = [{(): _allowed(tree, (), batch.last(i))} for i, tree in enumerate(trees)]
        places = [(i, prefix) for i, tree in enumerate(trees) for prefix in tree.branches if prefix]
        for start in range(0, len(places), LOOK_AHEAD_ROWS):
            some = places[start : start + LOOK_AHEAD_ROWS]
            for (i, prefix), found in zip(some, self.model.look_ahead(batch, some), strict=True):
                logits[i][prefix] = _allowed(trees[i], prefix, found)
        return logits


def _probabilities(tree: ChoiceTree, logits: Mapping[Tokens, Floats]) -> Shares | None:
    finite = all(np.isfinite(each).all() for each in logits.values())
    return choice_probabilities(tree, logits) if finite else None


def logits_error(row: BatchRow, base: str) -> InferenceError:
    """Return the error of a row whose logits are not finite; `base` names the base model."""
    if row.adapter is None:
        return PermanentError(f"{base} gave logits that are not finite (NaN or infinite)")
    reason = "its logits are not finite (NaN or infinite): its weights are too large; train it again"
    return UnusableAdapterError(row.adapter.name, row.adapter.path, reason)


def _allowed(tree: ChoiceTree, prefix: Tokens, logits: Floats) -> Floats:
    """Return the logits of the tokens allowed after `prefix`; none where only one token is allowed."""
    return logits[list(tree.branches.get(prefix, ()))]


def _chosen(row: BatchRow, shares: dict[str, float]) -> Completion:
    choice = draw_choice(shares, row.request.sampling.temperature, row.stream())
    return Completion(
        text=choice,
        prompt_tokens=len(row.tokens),
        completion_tokens=len(row.choices.paths[choice]),
        choice_probability=shares[choice],
        constrained=True,
        shares=tuple(shares.values()),
    )


def batches(rows: Sequence[BatchRow]) -> Iterator[list[int]]:
    """Yield the indices of each batch, by rising length: at most BATCH_ROWS rows and BATCH_TOKENS padded tokens."""
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i].tokens), repr(rows[i].request.key)))
    batch: list[int] = []
    for index in order:
        full = (len(batch) + 1) * len(rows[index].tokens) > BATCH_TOKENS
        if batch and (full or len(batch) == BATCH_ROWS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
