"""A ranking gives its items best first, whatever changed since it was last read."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from simulation.network.ranking import RankedItems

CHANGES = st.lists(st.tuples(st.integers(1, 12), st.integers(-3, 3), st.integers(0, 12)), max_size=60)


@given(CHANGES, st.booleans())
def test_ranking_is_that_of_sorting_everything(changes: list[tuple[int, int, int]], newest_first: bool) -> None:
    ranked, scores = RankedItems(newest_first), dict[int, int]()
    for item, score, read in changes:
        ranked.put(item, score)
        scores[item] = score
        best = sorted(scores, key=lambda each: (-scores[each], -each if newest_first else each))
        assert list(islice(ranked.walk(), read)) == best[:read]
    assert sorted(ranked.walk()) == sorted(scores)
