"""Rows that are kept as columns are rows: counted, sliced, compared and made one by one."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.store.events import StepRow
from simulation.store.rows import CodedCells, Rows, Same, TextLists

ROWS = Rows(
    StepRow,
    3,
    {
        "model_id": CodedCells(np.array([1, 0, 1]), ["ada", "ben"]),
        "payoff": (1.0, 2.0, 3.0),
        "cooperation": Same(None),
        "total_payoff": [4.0, 5.0, 6.0],
    },
)
PLAIN = (StepRow("ben", 1.0, None, 4.0), StepRow("ada", 2.0, None, 5.0), StepRow("ben", 3.0, None, 6.0))


def test_rows_equal_the_same_rows_made_one_by_one() -> None:
    assert tuple(ROWS) == PLAIN
    assert ROWS == PLAIN
    assert PLAIN[:2] != ROWS


def test_rows_are_reached_by_place_and_by_slice() -> None:
    assert (ROWS[0], ROWS[-1]) == (PLAIN[0], PLAIN[2])
    assert ROWS[1:] == list(PLAIN[1:])
    with pytest.raises(IndexError, match="row 3 of 3"):
        _ = ROWS[3]


def test_lists_of_texts_are_reached_from_both_ends() -> None:
    lists = TextLists.of([["ada", "ben"], [], ["ada"]])
    assert list(lists) == [("ada", "ben"), (), ("ada",)]
    assert (lists[-1], lists[-3]) == (("ada",), ("ada", "ben"))
    assert lists[::-1] == [("ada",), (), ("ada", "ben")]
    with pytest.raises(IndexError):
        _ = lists[3]
