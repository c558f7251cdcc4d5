"""A prefix cache like vLLM's: whole blocks of tokens per adapter, each identified by everything before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class PrefixCache:
    """Counts the hits of a real cache; `block_size` is in tokens, `blocks` is its capacity (oldest leave first)."""

    block_size: int = 16
    blocks: int = 4096
    queries: int = 0
    hits: int = 0
    _held: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def look_up(self, adapter: str, tokens: Sequence[str]) -> int:
        """Return how many of a prompt's tokens are cached, and cache all its whole blocks."""
        found, broken = 0, False
        for key in self._keys(adapter, tokens):
            broken = broken or key not in self._held
            found += 0 if broken else self.block_size
            self._hold(key)
        self.queries += len(tokens)
        self.hits += found
        return found

    def forget(self) -> None:
        self._held.clear()

    def _keys(self, adapter: str, tokens: Sequence[str]) -> Iterator[int]:
        key = hash(adapter)
        for start in range(0, len(tokens) - self.block_size + 1, self.block_size):
            key = hash((key, tuple(tokens[start : start + self.block_size])))
            yield key

    def _hold(self, key: int) -> None:
        self._held[key] = None
        self._held.move_to_end(key)
        if len(self._held) > self.blocks:
            self._held.popitem(last=False)
