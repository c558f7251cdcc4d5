"""Sampling in the embedded tier. Pure functions: a row's draw depends only on that row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agents.inference.errors import PermanentError
from agents.inference.provenance import CallKey

Floats = npt.NDArray[np.float64]
Tokens = tuple[int, ...]


@dataclass(frozen=True)
class ChoiceTree:
    """The options as token paths that end with the end token, so that "1" and "10" differ in their last token.

    `branches` maps every prefix after which paths differ to the tokens allowed next.
    """

    paths: Mapping[str, Tokens]
    branches: Mapping[Tokens, Tokens]


def choice_tree(options: Sequence[str], encode: Callable[[str], Sequence[int]], end: int) -> ChoiceTree:
    """Return the tree of `options`.

    Args:
        options: The texts.
        encode: Gives the tokens of a text.
        end: The end token.

    Raises:
        PermanentError: There are no options, or two have the same tokens.
    """
    paths = {option: (*encode(option), end) for option in options}
    if not options or len(set(paths.values())) < len(options):
        raise PermanentError(f"choices must be one or more different texts, got {list(options)}")
    children: dict[Tokens, dict[int, None]] = {}
    for path in paths.values():
        for depth, token in enumerate(path):
            children.setdefault(path[:depth], {})[token] = None
    return ChoiceTree(paths, {prefix: tuple(ways) for prefix, ways in children.items() if len(ways) > 1})


def choice_probabilities(tree: ChoiceTree, logits: Mapping[Tokens, Floats]) -> dict[str, float]:
    """Return P of every option at temperature 1; the sum is 1.

    P of an option is the product, along its path, of the probabilities renormalised over the tokens allowed at each
    branch.

    Args:
        tree: The options.
        logits: For each prefix of `tree.branches`, the logits of the tokens allowed there.
    """
    shares = {prefix: dict(zip(ways, softmax(logits[prefix]), strict=True)) for prefix, ways in tree.branches.items()}
    return {option: _along(path, shares) for option, path in tree.paths.items()}


def _along(path: Tokens, shares: Mapping[Tokens, Mapping[int, float]]) -> float:
    product = 1.0
    for depth, token in enumerate(path):
        product *= float(shares.get(path[:depth], {}).get(token, 1.0))
    return product


def row_generator(seed: int | None, key: CallKey) -> np.random.Generator:
    """Return the random stream of one call: the same for the same seed and key; a new one without a seed."""
    if seed is None:
        return np.random.default_rng()
    digest = hashlib.sha256(repr(_key_parts(key)).encode()).digest()
    return np.random.default_rng([abs(seed), int(seed < 0), int.from_bytes(digest[:16], "big")])


def _key_parts(key: CallKey) -> tuple[Any, ...]:
    return (key.episode, key.step, key.model_id, key.purpose.value, key.talk_round, key.attempt)


def draw_token(logits: Floats, temperature: float, top_p: float, rng: np.random.Generator) -> int:
    """Draw one token from `logits` (vocabulary size,). Temperature 0 is greedy."""
    if temperature <= 0:
        return int(logits.argmax())
    return _draw(_nucleus(softmax(logits / temperature), top_p), rng)


def draw_choice(probabilities: Mapping[str, float], temperature: float, rng: np.random.Generator) -> str:
    """Draw one option from P ** (1 / temperature), renormalised. Temperature 0 gives the most probable option."""
    options = list(probabilities)
    values = np.array([probabilities[option] for option in options], float)
    if temperature <= 0:
        return options[int(values.argmax())]
    with np.errstate(divide="ignore"):
        return options[_draw(softmax(np.log(values) / temperature), rng)]


def softmax(values: Floats) -> Floats:
    """Return the probabilities of logits (n,); they sum to 1."""
    powers = np.exp(values - values.max())
    shares: Floats = powers / powers.sum()
    return shares


def _nucleus(probabilities: Floats, top_p: float) -> Floats:
    """Return `probabilities` with 0 for all but the most probable tokens, up to a mass of `top_p`."""
    if top_p >= 1:
        return probabilities
    # all tokens below this floor together have less than 1 - top_p, so none of them belongs to the nucleus
    candidates = np.flatnonzero(probabilities > (1 - top_p) / len(probabilities))
    order = candidates[np.argsort(-probabilities[candidates], kind="stable")]
    count = int(np.searchsorted(probabilities[order].cumsum(), top_p)) + 1
    nucleus: Floats = np.zeros_like(probabilities)
    nucleus[order[:count]] = probabilities[order[:count]]
    return nucleus


def _draw(weights: Floats, rng: np.random.Generator) -> int:
    cumulative = weights.cumsum()
    index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    return min(index, int(np.flatnonzero(weights)[-1]))
