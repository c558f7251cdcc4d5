"""A large block of events goes into a file and comes out the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.store.blocks import (
    BlockError,
    EventBlock,
    read_table,
    rows_of,
    rows_table,
    takes_blocks,
    tell,
    write_rows,
)
from simulation.store.events import Event, MessageSent
from simulation.store.rows import Cells, CodedCells, Rows, Same

TEXT = st.text(max_size=4)
MEMBERS = [("ada", "ben"), (), ("cy",)]


def messages(texts: list[str], teams: list[str | None], reached: list[int]) -> Rows[MessageSent]:
    """Return messages with every kind of column."""
    addressees = CodedCells(np.array(reached, dtype=np.int32), MEMBERS)
    names = sorted(set(texts))
    same = {
        "episode": 0,
        "step": 1,
        "talk_round": 0,
        "tier": "simulated",
        "adapter": "a",
        "endpoint": "",
        "latency": 0.0,
    }
    columns: dict[str, Cells] = {
        **{name: Same(value) for name, value in same.items()},
        "fallback_from": Same(""),
        "latency": Same(0.0),
        "sender": [f"m{number}" for number in range(len(texts))],
        "team_id": CodedCells(np.arange(len(teams)), teams),
        "addressees": addressees,
        "audience": addressees,
        "text": CodedCells(np.array([names.index(text) for text in texts], dtype=np.int32), names),
        "oasis_message_id": range(5, 5 + len(texts)),
        "oasis_group_id": reached,
    }
    return Rows(MessageSent, len(texts), columns)


@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.integers(0, 2)), min_size=1, max_size=9))
def test_rows_come_back_from_a_table(drawn: list[tuple[str, str | None, int]]) -> None:
    rows = messages(*(list(each) for each in zip(*drawn, strict=True)))
    assert tuple(rows_of(rows_table(rows), MessageSent)) == tuple(rows)


def test_rows_come_back_from_a_file(tmp_path: Path) -> None:
    rows = messages(["我们", "", "我们"], [None, "red", None], [0, 1, 2])
    write_rows(tmp_path / "blocks" / "one.parquet", rows)
    assert tuple(rows_of(read_table(tmp_path / "blocks" / "one.parquet"), MessageSent)) == tuple(rows)


def test_audiences_that_are_the_addressees_are_stored_once(tmp_path: Path) -> None:
    rows = messages(["a"] * 3, [None] * 3, [0, 1, 2])
    write_rows(tmp_path / "one.parquet", rows)
    assert "audience" not in read_table(tmp_path / "one.parquet").column_names


@pytest.mark.parametrize("content", [None, b"", b"no Parquet"])
def test_a_lost_or_harmed_block_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "one.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BlockError, match=r"one\.parquet (is not there|cannot be read)"):
        read_table(file)


def test_observers_get_events_unless_they_take_blocks() -> None:
    block = EventBlock(0, 1, messages(["a", "b"], [None, None], [0, 0]))
    one_by_one: list[Event] = []
    whole: list[Event] = []

    @takes_blocks
    def watch(event: Event) -> None:
        whole.append(event)

    tell(one_by_one.append, block)
    tell(watch, block)
    assert one_by_one == list(block.rows)
    assert whole == [block]
