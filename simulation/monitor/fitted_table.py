"""A table for narrow terminals: its first column shrinks last, and columns that do not fit are left out and named."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_LEAST_KEY, _LEAST = 12, 8
"""The least width of the first column, and of others whose cells may be folded."""


class FittedTable(Table):
    """A rich table that leaves out its last columns where the console is too narrow, and says so below.

    Args:
        left_out: Heads of columns that the table does not have at this width.
        **options: As of `rich.table.Table`.
    """

    def __init__(self, left_out: Sequence[str] = (), **options: Any) -> None:
        super().__init__(**options)
        self._left_out = tuple(left_out)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from Table.__rich_console__(self._fitted(console, options), console, options)

    def _fitted(self, console: Console, options: ConsoleOptions) -> FittedTable:
        width = options.max_width
        natural = [_natural(console, options, column) for column in self.columns]
        least = [
            full if column.no_wrap else min(full, _LEAST) for full, column in zip(natural, self.columns, strict=True)
        ]
        if not natural:
            return self
        key = min(natural[0], max(_LEAST_KEY, width // 3), max(1, width - 4))
        kept = len(natural)
        while kept > 1 and key + sum(least[1:kept]) + 3 * kept + 1 > width:
            kept -= 1
        room = width - sum(least[1:kept]) - 3 * kept - 1
        hidden = (*self._left_out, *(str(column.header) for column in self.columns[kept:]))
        fitted = copy.copy(self)
        first = replace(self.columns[0], overflow="fold", no_wrap=False, width=max(1, min(natural[0], room)))
        fitted.columns = [first, *self.columns[1:kept]]
        if hidden:
            said = f"Not shown in {width} columns: {', '.join(hidden)}. Widen the terminal, or use --json."
            fitted.caption = "\n".join(filter(None, [str(self.caption or ""), escape(said)]))
        return fitted


def _natural(console: Console, options: ConsoleOptions, column: Column) -> int:
    """Return the width that a column has where there is room for all."""
    cells = [column.header, *column._cells]
    wide = options.update(width=10_000)
    return max(Measurement.get(console, wide, _text(cell)).maximum for cell in cells)


def _text(cell: Any) -> Any:
    return Text.from_markup(cell) if isinstance(cell, str) else cell
