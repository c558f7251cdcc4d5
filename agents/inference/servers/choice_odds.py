"""A server's own probability of the choice that it made, from the log probabilities that it sends. Pure.

At each token of a constrained reply, the server may continue with any token that leads to a choice. The probability of
the picked choice is the product, over its tokens, of the share of the tokens that lead where the reply went among all
that lead to a choice still open: the definition of the embedded tier, at the temperature at which the server measures
(vLLM: 1, before the constraint). Where some open choice has no token in the list, the product is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agents.inference.provenance import Purpose, Request

MOST_ALTERNATIVES = 20
"""The tokens per place that are asked for: what vLLM allows unless it is told otherwise (--max-logprobs)."""


class TokenOdds(NamedTuple):
    """One place of a reply: its token, and the probability of every token that the server lists there."""

    token: bytes
    chances: Mapping[bytes, float]


def odds_fields(request: Request) -> dict[str, Any]:
    """Return the fields that ask for log probabilities; empty unless a decision or an interview has choices."""
    if request.key.purpose not in (Purpose.DECIDE, Purpose.INTERVIEW) or not request.choices:
        return {}
    return {"logprobs": True, "top_logprobs": MOST_ALTERNATIVES}


def choice_probability(picked: str, choices: Sequence[str], logprobs: Any) -> float | None:
    """Return the probability of `picked` among `choices`.

    Args:
        picked: The reply's text.
        choices: What the reply had to be one of.
        logprobs: The field `logprobs` of the answer.

    Returns:
        0-1; None where the server sent too little, or something else than the OpenAI format.
    """
    if picked not in choices:
        return None
    places = _places(logprobs)
    if not places:
        return 1.0 if len(set(choices)) == 1 else None
    open_choices, done, chance = {choice.encode() for choice in choices}, b"", 1.0
    for place in places:
        if len(open_choices) == 1:
            return chance
        groups, went = _fork(open_choices, done, place)
        if went not in groups:
            return None
        chance *= groups[went] / sum(groups.values())
        open_choices, done = set(went), done + place.token
    return chance if open_choices == {picked.encode()} else None


def choice_shares(picked: str, choices: Sequence[str], logprobs: Any) -> tuple[float, ...]:
    """Return the probability of every choice, in their order; arguments as in `choice_probability`.

    Empty where the server sent too little. What it lists follows the reply that it gave, so of choices that begin with
    the same tokens, and in another way than the reply, only their sum is known.
    """
    if picked not in choices:
        return ()
    shares, open_choices, done, chance = dict.fromkeys(choices, 0.0), {choice.encode() for choice in choices}, b"", 1.0
    for place in _places(logprobs):
        if len(open_choices) == 1:
            break
        groups, went = _fork(open_choices, done, place)
        others = {group: mass for group, mass in groups.items() if group != went}
        if went not in groups or any(len(group) > 1 for group in others):
            return ()
        whole = sum(groups.values())
        for (left,), mass in others.items():
            shares[left.decode()] += chance * mass / whole
        chance *= groups[went] / whole
        open_choices, done = set(went), done + place.token
    shares[picked] += chance
    return tuple(shares.values()) if open_choices == {picked.encode()} else ()


def _fork(choices: set[bytes], done: bytes, place: TokenOdds) -> tuple[dict[frozenset[bytes], float], frozenset[bytes]]:
    """Return the probability of going on to each set of choices, and the set that the reply went on to."""
    return _masses(choices, done, place), frozenset(_leading(choices, done, place.token)) or frozenset({done})


def _masses(choices: set[bytes], done: bytes, place: TokenOdds) -> dict[frozenset[bytes], float]:
    """Return the probability of going on to each set of choices, after `done`; empty where one has no token listed."""
    masses: dict[frozenset[bytes], float] = {}
    for token, chance in place.chances.items():
        leading = frozenset(_leading(choices, done, token))
        if not leading and done in choices and token == place.token:
            leading = frozenset({done})  # the reply ended here
        if leading:
            masses[leading] = masses.get(leading, 0.0) + chance
    return masses if choices == set().union(*masses) and sum(masses.values()) > 0 else {}


def _leading(choices: set[bytes], done: bytes, token: bytes) -> set[bytes]:
    """Return the choices that begin with `done` and then `token`."""
    return {choice for choice in choices if token and choice.startswith(done + token)}


def _places(logprobs: Any) -> list[TokenOdds]:
    """Return the places that are in the OpenAI format, up to the first that is not."""
    rows = logprobs.get("content") if isinstance(logprobs, dict) else None
    found: list[TokenOdds] = []
    for row in rows if isinstance(rows, list) else ():
        own = _entry(row)
        listed = row.get("top_logprobs") if isinstance(row, dict) else None
        others = [_entry(each) for each in listed] if isinstance(listed, list) else [None]
        if own is None or None in others:
            break
        found.append(TokenOdds(own[0], dict([each for each in others if each is not None] + [own])))
    return found


def _entry(row: Any) -> tuple[bytes, float] | None:
    """Return a token and its probability."""
    match row:
        case {"token": str(text), "logprob": int() | float() as value, **rest} if not math.isnan(value) and value <= 0:
            return _bytes(rest.get("bytes"), text), math.exp(value)
        case _:
            return None


def _bytes(given: Any, text: str) -> bytes:
    """Return a token's bytes: of a part of a character, the text alone does not have them."""
    whole = isinstance(given, list) and all(type(each) is int and 0 <= each < 256 for each in given)
    return bytes(given) if whole and given else text.encode(errors="replace")
