"""The best of many scored items, found without looking at all of them. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

_Entry = tuple[float, int, int]
"""The negative score, the number with the sign that the ranking wants where scores are equal, and the number."""


@dataclass
class RankedItems:
    """Items by score, best first; a change costs the logarithm of their number, and so does each item that is read.

    Args:
        newest_first: Whether the newer of two items of one score comes first.
    """

    newest_first: bool = True
    _scores: dict[int, float] = field(default_factory=dict)
    _heap: list[_Entry] = field(default_factory=list)
    _best: list[_Entry] = field(default_factory=list, compare=False)

    def put(self, item: int, score: float) -> None:
        """Give an item its score, which replaces the one before."""
        if self._scores.get(item) != score:
            self._scores[item] = score
            for entry in self._best:
                heapq.heappush(self._heap, entry)
            self._best.clear()
            heapq.heappush(self._heap, (-score, -item if self.newest_first else item, item))

    def walk(self) -> Iterator[int]:
        """Yield every item, best first. What one reader has seen costs the next one nothing until a score changes."""
        for place in itertools.count():
            if place == len(self._best) and not self._found_next():
                return
            yield self._best[place][2]

    def _found_next(self) -> bool:
        """Take the best entry that is left off the heap; drop those of scores that were replaced."""
        while self._heap:
            entry = heapq.heappop(self._heap)
            if self._scores[entry[2]] == -entry[0] and (not self._best or self._best[-1] != entry):
                self._best.append(entry)
                return True
        return False
