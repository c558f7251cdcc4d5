"""Named random streams: a new draw in one place changes no draw elsewhere."""

from __future__ import annotations

import operator
import random
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from agents.file_model import MAX_WHOLE
from agents.problems import UsageError


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 32-bit seed for the stream called `names` under the run's `seed` (numpy's SeedSequence, spawn keys)."""
    from numpy.random import SeedSequence

    key = tuple(name if isinstance(name, int) else crc32(name.encode()) for name in names)
    return int(SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def stream(seed: int, *names: str | int) -> random.Random:
    """Return the generator of the stream called `names`."""
    return random.Random(derive_seed(seed, *names))


def whole_seed(value: int) -> int:
    """Return a seed as a plain integer. Raises UsageError where it is none, or not in the range of a run's seed."""
    try:
        seed = operator.index(value)
    except TypeError:
        raise UsageError(f"seed={value!r}: not a whole number") from None
    if isinstance(value, bool) or not 0 <= seed <= MAX_WHOLE:
        raise UsageError(f"seed={value!r}: give a whole number from 0 to {MAX_WHOLE}")
    return seed


def derive_seeds(seed: int, *names: str | int, last: Sequence[str] | Sequence[int]) -> list[int]:
    """Return what `derive_seed` returns for `names` followed by each of `last`, all at once.

    Args:
        seed: The run's seed.
        names: What the streams' names begin with.
        last: The last name of each stream; a number is below 2**32.

    Source:
        numpy's SeedSequence (O'Neill, "Developing a seed_seq alternative", 2015), whose pool of four 32-bit words
        is mixed here for every stream at once.
    """
    if len(last) < _FEW:
        return [derive_seed(seed, *names, name) for name in last]
    import numpy as np

    words = [*_words(seed), *(0,) * max(0, 4 - len(_words(seed)))]
    words += [word for name in names for word in _words(name if isinstance(name, int) else crc32(name.encode()))]
    numbers = (name if isinstance(name, int) else crc32(name.encode()) for name in last)
    ends = np.fromiter(numbers, dtype=np.uint32, count=len(last))
    pool = _mixed_pool([*(np.uint32(word) for word in words), ends])
    with np.errstate(over="ignore"):
        found = (pool ^ np.uint32(0x8B51F9DD)) * np.uint32(0x8B51F9DD * 0x58F38DED & _WORD)
        found ^= found >> np.uint32(16)
    seeds: list[int] = found.tolist()
    return seeds


_WORD = 0xFFFFFFFF
_FEW = 10
"""So many streams take as long all at once as one by one."""


def _words(number: int) -> list[int]:
    """Return a whole number as 32-bit words, the lowest first."""
    words = [number & _WORD]
    while number := number >> 32:
        words.append(number & _WORD)
    return words


def _mixed_pool(words: Sequence[Any]) -> Any:
    """Return the first word of SeedSequence's pool after it has mixed in `words`; a word may be an array of them."""
    import numpy as np

    constant = 0x43B0D7E5

    def hashed(value: Any) -> Any:
        nonlocal constant
        value = value ^ np.uint32(constant)
        constant = constant * 0x931E8875 & _WORD
        value = value * np.uint32(constant)
        return value ^ (value >> np.uint32(16))

    def mixed(one: Any, other: Any) -> Any:
        found = one * np.uint32(0xCA01F9DD) - other * np.uint32(0x4973F715)
        return found ^ (found >> np.uint32(16))

    with np.errstate(over="ignore"):
        pool = [hashed(word) for word in words[:4]]
        for source in range(4):
            for target in range(4):
                if source != target:
                    pool[target] = mixed(pool[target], hashed(pool[source]))
        for word in words[4:]:
            for target in range(4):
                pool[target] = mixed(pool[target], hashed(word))
    return pool[0]
