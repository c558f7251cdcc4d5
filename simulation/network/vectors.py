"""Texts as TF-IDF vectors of unit length, and how similar the newest ones are to some of them. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulation.network.words import all_words

RECENT = 2000
"""Texts that are compared, the newest: so the cost of a comparison does not grow with their number."""


@dataclass
class TextVectors:
    """Vectors of the texts of items: word counts by column, and in how many texts each word is.

    Source:
        Salton & Buckley, Information Processing & Management 24 (1988); the smoothing is that of scikit-learn.
    """

    _columns: dict[str, int] = field(default_factory=dict)
    _texts_with: list[int] = field(default_factory=list)
    _counts: dict[int, Counter[int]] = field(default_factory=dict)
    _recent: list[int] = field(default_factory=list)
    _matrix: Any = None

    def add(self, item: int, text: str) -> None:
        """Add the text of an item; items come in ascending order."""
        counts = Counter(self._columns.setdefault(word, len(self._columns)) for word in all_words(text))
        self._texts_with += [0] * (len(self._columns) - len(self._texts_with))
        for column in counts:
            self._texts_with[column] += 1
        self._counts[item] = counts
        self._recent.append(item)
        self._matrix = None

    def similarities(self, items: Iterable[int]) -> dict[int, float]:
        """Return the cosine of each of the newest texts with the sum of the vectors of `items`; 0 is left out."""
        import numpy as np

        known = [self._counts[item] for item in items if item in self._counts]
        if not known:
            return {}
        rows, columns, values, rarity = self._newest()
        taste = np.zeros(len(self._texts_with))
        for counts in known:
            vector = {column: count * rarity[column] for column, count in counts.items()}
            norm = math.sqrt(sum(value * value for value in vector.values())) or 1.0
            for column, value in vector.items():
                taste[column] += value / norm
        taste /= np.linalg.norm(taste) or 1.0
        found = np.bincount(rows, weights=values * taste[columns], minlength=len(self._recent))
        return {self._recent[place]: float(found[place]) for place in np.flatnonzero(found)}

    def _newest(self) -> Any:
        """Return the newest texts as (row, column, value) of their matrix, and the rarity of each word."""
        import numpy as np

        if self._matrix is None:
            del self._recent[:-RECENT]
            rarity = np.log((1 + len(self._counts)) / (1 + np.array(self._texts_with))) + 1
            counts = [self._counts[item] for item in self._recent]
            rows = np.repeat(np.arange(len(counts)), [len(each) for each in counts])
            columns = np.array([column for each in counts for column in each], dtype=np.int64)
            values = np.array([count for each in counts for count in each.values()]) * rarity[columns]
            lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(counts)))
            self._matrix = rows, columns, values / lengths[rows], rarity
        return self._matrix
