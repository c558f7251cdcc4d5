"""Results as pandas tables and plotly pictures: one row, or one point, per figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from simulation.metrics.banner import StudyBanner
from simulation.metrics.registry import Interval

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure


COLOURS = ("#26806e", "#be4a2f", "#4a6fb5", "#c8942a", "#7c5aa6", "#5b8c3a", "#b5517f", "#3f97b0", "#8a6d4b", "#6b7280")
"""The colours of all pictures."""
_ROW_HEIGHT = 18


def table_of(rows: Iterable[Any], *, count: str = "n") -> pd.DataFrame:
    """A table with one row per dataclass of one kind.

    An enum is its value. The field `interval` becomes the columns `value`, `low`, `high` and `count`; another field
    that holds several numbers, such as `latency`, becomes `latency_p50` and so on.

    Args:
        rows: The dataclasses.
        count: The name of the column of an interval's `n`.
    """
    import pandas as pd

    return pd.DataFrame([dict(_cells(row, count)) for row in rows])


def _cells(row: Any, count: str) -> Iterator[tuple[str, Any]]:
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name == "interval":
            yield from _interval(row, count)
        elif isinstance(value, Interval):
            yield from ((field.name, value.value), (f"{field.name}_low", value.low), (f"{field.name}_high", value.high))
        elif isinstance(value, Mapping) or is_dataclass(value):
            parts = value if isinstance(value, Mapping) else vars(value)
            yield from ((f"{field.name}_{name}", each) for name, each in parts.items())
        else:
            yield field.name, value.value if isinstance(value, Enum) else value


def _interval(row: Any, count: str) -> Iterator[tuple[str, Any]]:
    """The interval's columns; without an interval the row's own value, where it has one."""
    found: Interval | None = row.interval
    if found is None:
        yield from (("value", getattr(row, "value", None)), ("low", None), ("high", None), (count, None))
    else:
        yield from (("value", found.value), ("low", found.low), ("high", found.high), (count, found.n))


def interval_plot(table: pd.DataFrame, y: str, banner: StudyBanner, *, x: str = "value", **more: Any) -> Figure:
    """A point with its interval per row of a table of `table_of`; each picture has a horizontal axis of its own.

    Points of several colours stand below each other, so that none hides another. The first row is at the top.

    Args:
        table: Has the columns `value`, `low` and `high`.
        y: The column whose values name the rows of the picture.
        banner: Stands above it.
        x: What the horizontal axis shows.
        more: Further arguments of `plotly.express.scatter`: `color`, `facet_col`, `symbol`.
    """
    import plotly.express as px

    errors = table.assign(above=table["high"] - table["value"], below=table["value"] - table["low"])
    bars = {"error_x": "above", "error_x_minus": "below"}
    look = {"template": "plotly_white", "color_discrete_sequence": list(COLOURS), "labels": {"value": x, y: ""}}
    figure = px.scatter(errors, x="value", y=y, **bars, **look, **more)
    colours = table[more["color"]].nunique() if "color" in more else 1
    height = 130 + _ROW_HEIGHT * table[y].nunique() * max(2, colours)
    figure.update_traces(orientation="h", error_x_thickness=1.5, error_x_width=0, marker_size=8)
    figure.update_layout(scattermode="group", scattergap=0.25, height=height * _rows_of(figure))
    figure.update_xaxes(matches=None, showticklabels=True).update_yaxes(autorange="reversed")
    return banner.above(named_parts(figure))


def named_parts(figure: Figure) -> Figure:
    """Name the parts of a plotly figure by their values alone: `payoff` in place of `measure=payoff`."""
    return figure.for_each_annotation(lambda each: each.update(text=each.text.split("=", 1)[-1]))


def _rows_of(figure: Figure) -> int:
    """Return how many rows of pictures a figure has."""
    return len({axis.domain for axis in figure.select_yaxes()})
