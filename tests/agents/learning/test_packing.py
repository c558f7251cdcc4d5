"""Packed rows: every token sees its own path and nothing else, and no beginning is stored twice."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learning import packing
from agents.learning.packing import PackedRow, TokenPaths, pack, row_batches

TOKENS = st.lists(st.integers(0, 2), max_size=4).map(tuple)
ITEMS = st.lists(
    st.builds(
        TokenPaths,
        st.sampled_from(("ann", "bo")),
        TOKENS.filter(bool),
        st.lists(TOKENS, min_size=1, max_size=3, unique=True).map(tuple),
    ),
    min_size=1,
    max_size=6,
)


def texts(row: PackedRow) -> list[tuple[int, ...]]:
    """The tokens that each token sees, in order."""
    tokens = np.array(row.tree.tokens)
    return [tuple(tokens[np.flatnonzero(seen)]) for seen in row.tree.sees()]


@given(items=ITEMS, shared=st.booleans())
def test_a_place_sees_its_prompt_and_its_tail(items: list[TokenPaths], shared: bool) -> None:
    found = {}
    for group in pack(items, shared):
        for row in group:
            seen = texts(row)
            assert [len(each) - 1 for each in seen] == row.tree.depths
            for (number, tail), nodes in row.places.items():
                item = items[number]
                path = item.prompt + item.tails[tail]
                assert item.learner == row.tree.learner
                assert [seen[node] for node in nodes] == list(accumulate(zip(path), tuple.__add__))[
                    len(item.prompt) - 1 :
                ]
                found[number, tail] = True
    assert found.keys() == {(number, tail) for number, item in enumerate(items) for tail in range(len(item.tails))}


@given(items=ITEMS)
def test_a_row_stores_each_beginning_once(items: list[TokenPaths]) -> None:
    for (row,) in pack(items):
        own = [items[number] for number, _ in row.places]
        paths = {item.prompt + tail for item in own for tail in item.tails}
        assert len(row.tree) == len({path[:end] for path in paths for end in range(1, len(path) + 1)})
        assert len(set(texts(row))) == len(row.tree)


@given(items=ITEMS, limit=st.integers(1, 20))
def test_rows_keep_to_their_length(items: list[TokenPaths], limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "ROW_TOKENS", limit)
        for (row,) in pack(items):
            assert len(row.tree) <= limit or len({number for number, _ in row.places}) == 1


@given(items=ITEMS, shared=st.booleans(), data=st.data())
def test_the_order_of_items_changes_no_row(items: list[TokenPaths], shared: bool, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(items))
    first, second = ([[row.tree for row in group] for group in pack(each, shared)] for each in (items, shuffled))
    assert first == second


@given(items=ITEMS, shared=st.booleans(), tokens=st.integers(1, 40))
def test_batches_keep_groups_whole_and_to_their_size(items: list[TokenPaths], shared: bool, tokens: int) -> None:
    groups = pack(items, shared)
    batches = list(row_batches(groups, tokens))
    assert sorted(id(row) for batch in batches for row in batch) == sorted(id(row) for group in groups for row in group)
    for group in groups:
        assert sum({id(row) for row in group} <= {id(row) for row in batch} for batch in batches) == 1
    for batch in batches:
        whole = max(len(row.tree) for row in batch) * len(batch)
        assert whole <= tokens or len({number for row in batch for number, _ in row.places}) == 1 or shared


def test_prompts_that_share_little_have_rows_of_their_own() -> None:
    first, near, far = ((1, 2, 3, 4), (1, 2, 5, 6), (7, 8, 9, 9))
    rows = pack([TokenPaths("ann", prompt, ((),)) for prompt in (first, near, far)])
    assert [row.tree.tokens for (row,) in rows] == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 9]]
