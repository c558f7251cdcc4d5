"""Columns of events -> the columns of a table, without a row in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulation.store.blocks import arrow_array
from simulation.store.rows import Cells, Same
from simulation.tables.columns import CATEGORY, TUPLE, Column
from simulation.tables.parquet import arrow_schema


def block_table(cells: Mapping[str, Cells], length: int, columns: Sequence[Column]) -> Any:
    """Return a part of a table as a pyarrow table.

    Args:
        cells: The columns' values, by name; those of no column are left out.
        length: How many rows there are.
        columns: The table's columns.
    """
    import pyarrow as pa

    schema = arrow_schema(columns)
    made: dict[int, Any] = {}
    arrays = []
    for column in columns:
        one, kind = cells[column.name], schema.field(column.name).type
        if isinstance(one, Same):
            arrays.append(_same(one.value, length, kind))
            continue
        array = made.setdefault(id(one), arrow_array(one, length))
        arrays.append(array if column.kind == TUPLE else _as(array, column, kind))
    return pa.table(dict(zip([column.name for column in columns], arrays, strict=True)))


def _same(value: Any, length: int, kind: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if value is None:
        return pa.nulls(length, kind)
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, dtype=np.int32)), pa.array([value]))
    return pa.repeat(pa.scalar(value, kind), length)


def _as(array: Any, column: Column, kind: Any) -> Any:
    import pyarrow as pa

    if column.kind == CATEGORY and not pa.types.is_dictionary(array.type):
        return array.cast(pa.string()).dictionary_encode()
    return array if array.type == kind else array.cast(kind)
