"""A table for narrow terminals: its first column shrinks last, and columns that do not fit are left out and named."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_LEAST_KEY, _LEAST = 12, 8
"""The least width of the first column, and the most that the others need where their words are longer than a third."""


class FittedTable(Table):
    """A rich table that leaves out its last columns where the console is too narrow, and says so below.

    Cells wrap at word ends; only a word longer than a third of the console is folded.

    Args:
        elsewhere: How else all columns are shown.
        **options: As of `rich.table.Table`.
    """

    def __init__(self, elsewhere: str = ", or use --json", **options: Any) -> None:
        super().__init__(**options)
        self._elsewhere = elsewhere

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from Table.__rich_console__(self._fitted(console, options), console, options)

    def _fitted(self, console: Console, options: ConsoleOptions) -> FittedTable:
        width = options.max_width
        sizes = [_size(console, options, column) for column in self.columns]
        if not sizes:
            return self
        longest = max(_LEAST, width // 3)
        least = [
            size.maximum if column.no_wrap else min(size.minimum, longest)
            for size, column in zip(sizes, self.columns, strict=True)
        ]
        key = min(sizes[0].maximum, max(_LEAST_KEY, width // 3), max(1, width - 4))
        kept = len(sizes)
        while kept > 1 and key + sum(least[1:kept]) + 3 * kept + 1 > width:
            kept -= 1
        room = width - sum(least[1:kept]) - 3 * kept - 1
        hidden = [str(column.header) for column in self.columns[kept:]]
        fitted = copy.copy(self)
        first = replace(self.columns[0], overflow="fold", no_wrap=False, width=max(1, min(sizes[0].maximum, room)))
        others = zip(self.columns[1:kept], least[1:kept], strict=True)
        fitted.columns = [first, *(replace(column, min_width=size) for column, size in others)]
        if hidden:
            said = f"Not shown in {width} columns: {', '.join(hidden)}. Widen the terminal{self._elsewhere}."
            fitted.caption = "\n".join(filter(None, [str(self.caption or ""), escape(said)]))
        return fitted


def _size(console: Console, options: ConsoleOptions, column: Column) -> Measurement:
    """Return the width of a column's longest word, and the width that it has where there is room for all."""
    cells = [column.header, *column._cells]
    wide = options.update(width=10_000)
    found = [Measurement.get(console, wide, _text(cell)) for cell in cells]
    return Measurement(max(each.minimum for each in found), max(each.maximum for each in found))


def _text(cell: Any) -> Any:
    return Text.from_markup(cell) if isinstance(cell, str) else cell
