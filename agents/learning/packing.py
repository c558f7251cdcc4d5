"""Prompts and replies packed into rows, so that a token that several of them begin with is computed once.

A row is a tree of tokens: each token sees itself and the tokens before it on its own path. The model computes the row
in one pass with a mask of that shape, and the gradient of a shared beginning is the sum over what follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from agents.inference.embedded.sampling import Tokens

ROW_TOKENS = 1024
"""Attention costs the square of a row's length, so a longer row saves no more."""
SHARED_PART = 0.25
"""A prompt joins a row where it shares at least this part of its tokens: less does not pay for the longer row."""


@dataclass(frozen=True)
class TokenPaths:
    """A prompt and what may follow it; `tails` may include the empty one.

    Args:
        learner: Whose adapter computes it.
        prompt: The prompt's tokens, one at least.
        tails: The tokens after the prompt.
    """

    learner: str
    prompt: Tokens
    tails: tuple[Tokens, ...]

    @property
    def longest(self) -> int:
        """Return the number of tokens of the longest path."""
        return len(self.prompt) + max(map(len, self.tails))


@dataclass
class TokenTree:
    """Paths of tokens, each token stored once; a token's parent is the token before it, -1 for a first one.

    Args:
        learner: Whose adapter computes the row.
    """

    learner: str
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    _children: dict[tuple[int, int], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tokens)

    def missing(self, path: Tokens) -> int:
        """Return how many tokens of a path are not in the tree."""
        node = -1
        for depth, token in enumerate(path):
            node = self._children.get((node, token), -2)
            if node == -2:
                return len(path) - depth
        return 0

    def add(self, path: Tokens) -> list[int]:
        """Add a path; return the node of each of its tokens."""
        nodes, node = [], -1
        for depth, token in enumerate(path):
            key = (node, token)
            if key not in self._children:
                self._children[key] = len(self.tokens)
                self.tokens.append(token)
                self.parents.append(node)
                self.depths.append(depth)
            node = self._children[key]
            nodes.append(node)
        return nodes

    def sees(self) -> npt.NDArray[np.bool_]:
        """Return (tokens, tokens): whether a token sees another, which is itself or on the path to it."""
        mask = np.eye(len(self), dtype=np.bool_)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                mask[node] |= mask[parent]
        return mask


Place = tuple[int, int]
"""The number of a `TokenPaths`, and of one of its tails."""


@dataclass(frozen=True)
class PackedRow:
    """A tree with the places of what was packed in it: for each tail, the nodes from the prompt's last token on."""

    tree: TokenTree
    places: dict[Place, list[int]] = field(default_factory=dict)

    def add(self, number: int, paths: TokenPaths, tails: Sequence[int]) -> None:
        """Pack a prompt with some of its tails."""
        for tail in tails:
            nodes = self.tree.add(paths.prompt + paths.tails[tail])
            self.places[number, tail] = nodes[len(paths.prompt) - 1 :]


def pack(items: Sequence[TokenPaths], shared: bool = True) -> list[list[PackedRow]]:
    """Return groups of rows; a group has all that belongs to its items. They do not depend on the order of the items.

    Args:
        items: What to pack.
        shared: Whether beginnings are shared: a group is then one row, of at most ROW_TOKENS tokens or one item.
            Otherwise a group is one item, each of its tails has a row of its own, and a row is a plain text.
    """
    order = sorted(range(len(items)), key=lambda number: _rank(items[number]))
    if shared:
        return [[row] for row in _shared_rows(items, order)]
    return [[_plain_row(number, items[number], tail) for tail in range(len(items[number].tails))] for number in order]


def _rank(item: TokenPaths) -> tuple[str, Tokens, tuple[Tokens, ...]]:
    return item.learner, item.prompt, item.tails


def _plain_row(number: int, item: TokenPaths, tail: int) -> PackedRow:
    row = PackedRow(TokenTree(item.learner))
    row.add(number, item, [tail])
    return row


def _shared_rows(items: Sequence[TokenPaths], order: Sequence[int]) -> Iterator[PackedRow]:
    row: PackedRow | None = None
    for number in order:
        item = items[number]
        if row is not None and not _joins(row.tree, item):
            yield row
            row = None
        row = row or PackedRow(TokenTree(item.learner))
        row.add(number, item, range(len(item.tails)))
    if row is not None:
        yield row


def _joins(tree: TokenTree, item: TokenPaths) -> bool:
    """Return whether computing an item in the row of a tree saves time."""
    missing = tree.missing(item.prompt)
    size = len(tree) + missing + sum(map(len, item.tails))
    shares_enough = len(item.prompt) - missing >= SHARED_PART * len(item.prompt)
    return tree.learner == item.learner and size <= ROW_TOKENS and shares_enough


def row_batches(groups: Sequence[Sequence[PackedRow]], tokens: int) -> Iterator[list[PackedRow]]:
    """Yield batches of groups of similar length: at most `tokens` with their padding, or one group."""
    batch: list[PackedRow] = []
    for group in sorted(groups, key=_longest, reverse=True):
        if batch and (len(batch) + len(group)) * _longest(batch) > tokens:
            yield batch
            batch = []
        batch = [*batch, *group]
    if batch:
        yield batch


def _longest(group: Sequence[PackedRow]) -> int:
    return max(len(row.tree) for row in group)
