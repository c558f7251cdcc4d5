"""Large blocks of a run's events as Parquet files beside its log, which names them.

A block holds the events of one kind of one step. Values that are the same in every row are in the file's metadata, and
a column that is another one is named there, so that a message takes few bytes beyond its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import orjson

from agents.problems import SocietyError
from simulation.store.files import replace_stream
from simulation.store.rows import Cells, CodedCells, Rows, Same, TextLists

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "blocks"
LEAST = 2_000
"""Rows of a block that gets a file; the events of smaller ones are lines of the log."""
_SAME, _COPIES = b"society.same", b"society.copies"
Kind = TypeVar("Kind")
Observer = TypeVar("Observer", bound=Callable[..., Any])


class BlockError(SocietyError):
    """A block of a run's events that is missing or cannot be read."""


@dataclass(frozen=True)
class EventBlock:
    """Events of one kind of one step, or of one talk round of it: its `part`. Iterate over `rows` for each of them."""

    episode: int
    step: int
    rows: Rows[Any] = field(repr=False)
    part: int = 0

    @property
    def kind(self) -> str:
        """Return the name of the events' class."""
        return str(getattr(self.rows.kind, "__name__", self.rows.kind))


def is_block_of(event: object, kind: type[Kind]) -> TypeGuard[EventBlock]:
    """Tell whether an event is a block of events of this class."""
    return isinstance(event, EventBlock) and event.rows.kind is kind


def one_by_one(events: Iterable[Any]) -> Iterator[Any]:
    """Yield events, those of blocks one by one."""
    for event in events:
        if isinstance(event, EventBlock):
            yield from event.rows
        else:
            yield event


def takes_blocks(observer: Observer) -> Observer:
    """Mark a function as one that takes an `EventBlock`; others get its events one by one."""
    observer.takes_blocks = True  # type: ignore[attr-defined]
    return observer


def tell(observer: Callable[[Any], object], event: Any) -> None:
    """Give an observer an event, or the events of a block one by one unless it takes blocks."""
    if isinstance(event, EventBlock) and not getattr(observer, "takes_blocks", False):
        for each in event.rows:
            observer(each)
    else:
        observer(event)


# -- files ---------------------------------------------------------------------------------------------------


def write_rows(file: Path, rows: Rows[Any]) -> None:
    """Write rows as a Parquet file, whole or not at all. On OSError nothing is left."""
    import pyarrow.parquet as pq

    table = rows_table(rows)
    file.parent.mkdir(exist_ok=True)
    with replace_stream(file) as stream:
        pq.write_table(table, stream, compression="zstd", dictionary_pagesize_limit=1 << 26)


def rows_table(rows: Rows[Any]) -> pa.Table:
    """Return rows as a pyarrow table; `rows_of` is its inverse."""
    import pyarrow as pa

    same = {name: cells.value for name, cells in rows.columns.items() if isinstance(cells, Same)}
    first: dict[int, str] = {}
    copies: dict[str, str] = {}
    arrays: dict[str, Any] = {}
    for name, cells in rows.columns.items():
        if name in same:
            continue
        copies[name] = first.setdefault(id(cells), name)
        if copies[name] == name:
            arrays[name] = arrow_array(cells, len(rows))
            del copies[name]
    table = pa.table(arrays) if arrays else pa.table({"": pa.nulls(len(rows))})
    return table.replace_schema_metadata({_SAME: orjson.dumps(same), _COPIES: orjson.dumps(copies)})


def arrow_array(cells: Cells, count: int) -> Any:
    """Return a column as a pyarrow array."""
    import numpy as np
    import pyarrow as pa

    if not isinstance(cells, CodedCells):
        if isinstance(cells, range):
            return pa.array(np.arange(cells.start, cells.stop))
        return pa.array(cells if isinstance(cells, Sequence) else [cells[place] for place in range(count)])
    codes = np.asarray(cells.codes, dtype=np.int32)
    if isinstance(cells.values, TextLists):
        return _lists(codes, cells.values)
    if cells.values and isinstance(cells.values[0], tuple):
        return _lists(codes, TextLists.of(cells.values))
    known = np.array([value is not None for value in cells.values], dtype=bool)
    values = pa.array([value for value in cells.values if value is not None], type=pa.string())
    if known.all():
        return pa.DictionaryArray.from_arrays(pa.array(codes), values)
    place = (np.cumsum(known) - 1).astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(place[codes], mask=~known[codes]), values)


def _lists(codes: Any, values: TextLists) -> Any:
    """Return the lists at these places as a pyarrow array."""
    import numpy as np
    import pyarrow as pa

    in_order = len(codes) == len(values) and bool((codes == np.arange(len(codes))).all())
    return values.arrow if in_order else values.arrow.take(pa.array(codes))


def read_table(file: Path) -> pa.Table:
    """Return a block's file as a pyarrow table. Raises BlockError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file).read()
    except FileNotFoundError as error:
        raise BlockError(f"{file} is not there: the run has lost a part of its record of what happened") from error
    except (pa.ArrowException, OSError) as error:
        raise BlockError(f"{file} cannot be read: {error}") from error


def same_values(table: pa.Table) -> dict[str, Any]:
    """Return the columns of a block's table that have one value, with it."""
    found: dict[str, Any] = orjson.loads(table.schema.metadata[_SAME])
    return found


def copied_columns(table: pa.Table) -> dict[str, str]:
    """Return the columns of a block's table that are another one, with its name."""
    found: dict[str, str] = orjson.loads(table.schema.metadata[_COPIES])
    return found


def rows_of(table: pa.Table, kind: Callable[..., Kind]) -> Rows[Kind]:
    """Return the rows in a block's table."""
    columns: dict[str, Cells] = {name: Same(_typed(value)) for name, value in same_values(table).items()}
    columns |= {name: _cells(table.column(name)) for name in table.column_names if name}
    columns |= {name: columns[other] for name, other in copied_columns(table).items()}
    return Rows(kind, table.num_rows, columns)


def _typed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _cells(column: Any) -> Cells:
    import numpy as np
    import pyarrow as pa

    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_dictionary(array.type):
        values, codes = array.dictionary.to_pylist(), array.indices
        if codes.null_count:
            codes, values = codes.fill_null(len(values)), [*values, None]
        return CodedCells(codes.to_numpy(), values)
    if pa.types.is_list(array.type):
        names = array.values.dictionary.to_pylist() if len(array.values) else []
        flat = array.values.indices.to_numpy() if len(array.values) else np.zeros(0, dtype=np.int32)
        return CodedCells(np.arange(len(array)), TextLists(flat, array.offsets.to_numpy(), names))
    cells: Cells = array.to_pylist()
    return cells
