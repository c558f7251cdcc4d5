"""Many events of one kind as columns: they are made when somebody asks for them, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any, Generic, Protocol, TypeVar, overload

Row = TypeVar("Row")


class Cells(Protocol):
    """A column: one value for each row."""

    def __getitem__(self, place: int, /) -> Any:
        """Return the value of a row."""
        ...


@dataclass(frozen=True)
class Same:
    """A column with the same value in every row."""

    value: Any

    def __getitem__(self, _place: int) -> Any:
        return self.value


@dataclass(frozen=True)
class CodedCells:
    """A column with few different values, or with values that exist already.

    Args:
        codes: The place of each row's value in `values`.
        values: The values.
    """

    codes: Any
    values: Sequence[Any]

    def __getitem__(self, place: int) -> Any:
        return self.values[self.codes[place]]


def coded(values: Iterable[Any]) -> CodedCells:
    """Return values as a column that holds each different one once, in the order in which they first came."""
    import numpy as np

    place: dict[Any, int] = {}
    codes = np.fromiter((place.setdefault(value, len(place)) for value in values), dtype=np.int32)
    return CodedCells(codes, list(place))


class TextLists(Sequence[tuple[str, ...]]):
    """Lists of texts, kept as the numbers of the texts; a list is made when it is asked for.

    Args:
        codes: The place of each text in `texts`, list after list.
        starts: Where each list begins in `codes`; the last entry is the end.
        texts: The different texts.
    """

    def __init__(self, codes: Any, starts: Any, texts: Sequence[str]) -> None:
        self.codes, self.starts, self.texts = codes, starts, texts

    @classmethod
    def of(cls, lists: Sequence[Sequence[str]]) -> TextLists:
        """Return lists of texts as such."""
        import numpy as np

        flat = coded(chain.from_iterable(lists))
        return cls(flat.codes, np.cumsum([0, *map(len, lists)]), flat.values)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, place: slice) -> list[tuple[str, ...]]: ...

    def __getitem__(self, place: int | slice) -> tuple[str, ...] | list[tuple[str, ...]]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if place < 0:
            place += len(self)
        texts, own = self.texts, self.codes[self.starts[place] : self.starts[place + 1]]
        return tuple([texts[code] for code in own.tolist()])

    @cached_property
    def arrow(self) -> Any:
        """Return the lists as a pyarrow array, whose texts are stored once."""
        import numpy as np
        import pyarrow as pa

        names = pa.array(self.texts, type=pa.string())
        texts = pa.DictionaryArray.from_arrays(pa.array(np.asarray(self.codes, dtype=np.int32)), names)
        return pa.ListArray.from_arrays(pa.array(np.asarray(self.starts, dtype=np.int32)), texts)


class Rows(Sequence[Row], Generic[Row]):
    """Rows of one class, kept as columns.

    Args:
        kind: The class; its rows are made with a value of each column by name.
        length: How many rows there are.
        columns: The columns, by the names of the class's arguments.
    """

    __slots__ = ("columns", "kind", "length")

    def __init__(self, kind: Callable[..., Row], length: int, columns: Mapping[str, Cells]) -> None:
        self.kind, self.length, self.columns = kind, length, columns

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self.length))]
        if not -self.length <= place < self.length:
            raise IndexError(f"row {place} of {self.length}")
        place %= self.length
        return self.kind(**{name: cells[place] for name, cells in self.columns.items()})

    def __iter__(self) -> Iterator[Row]:
        names, kind = tuple(self.columns), self.kind
        for values in islice(zip(*map(self.values, names), strict=False), self.length):
            yield kind(**dict(zip(names, values, strict=True)))

    def replaced(self, rows: Mapping[int, Mapping[str, Any]]) -> Rows[Row]:
        """Return these rows with other values of some columns in some of them.

        Args:
            rows: The other values, by place and by column.
        """
        columns = dict(self.columns)
        for name in {name: None for row in rows.values() for name in row}:
            others = {place: row[name] for place, row in rows.items() if name in row}
            columns[name] = _replaced(columns[name], self.length, others)
        return Rows(self.kind, self.length, columns)

    def values(self, name: str) -> Iterator[Any]:
        """Yield the values of a column, row by row."""
        cells = self.columns[name]
        return (cells[place] for place in range(self.length))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Rows, tuple, list)):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((self.length, self.kind))

    def __repr__(self) -> str:
        return f"Rows({getattr(self.kind, '__name__', self.kind)}, {self.length})"


def _replaced(cells: Cells, length: int, others: Mapping[int, Any]) -> Cells:
    """Return a column with other values in some places; texts stay coded."""
    import numpy as np

    changed = {place: value for place, value in others.items() if cells[place] != value}
    if not changed:
        return cells
    texts = all(isinstance(value, str) or value is None for value in changed.values())
    if isinstance(cells, Same) and texts and not isinstance(cells.value, (int, float)):
        cells = CodedCells(np.zeros(length, dtype=np.int32), [cells.value])
    if isinstance(cells, CodedCells):
        codes = np.array(cells.codes, dtype=np.int32)
        codes[list(changed)] = np.arange(len(cells.values), len(cells.values) + len(changed))
        return CodedCells(codes, [*cells.values, *changed.values()])
    plain = [cells.value] * length if isinstance(cells, Same) else [cells[place] for place in range(length)]
    for place, value in changed.items():
        plain[place] = value
    return plain
