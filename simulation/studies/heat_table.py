"""A table of figures as SVG: one coloured tile per figure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from simulation.metrics.banner import is_loud

Colour = tuple[int, int, int]
DEFECT, COOPERATE = (190, 74, 47), (38, 128, 110)
FAINT, STRONG = (148, 154, 163), (62, 72, 92)
EMPTY = "rgb(226,223,216)"
TILE, GAP = 42, 4
_CHARACTER = 6.6  # mean width of one at 12.5 px
_LEAST_WIDTH = 560


@dataclass(frozen=True)
class Tile:
    """A figure's text, its colour and a smaller line below the text; `marked` puts a dot in its corner."""

    text: str
    colour: str
    small: str = ""
    marked: bool = False


@dataclass(frozen=True)
class HeatRow:
    """A named row of tiles; `heading` stands above it where a group of rows begins."""

    name: str
    tiles: Sequence[Tile]
    heading: str = ""


@dataclass(frozen=True)
class HeatTable:
    """A table with the lines above and below it, which wrap at its width. `label` describes it for screen readers.

    Widths are in pixels.
    """

    title: str
    above: Sequence[str]
    label: str
    columns: Sequence[str]
    rows: Sequence[HeatRow]
    below: Sequence[str] = field(default=())
    names: int = 188
    tile: int = 88


_TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ width }} {{ height }}" \
font-family="system-ui, sans-serif" role="img" aria-label="{{ table.label }}">
<rect width="100%" height="100%" rx="10" fill="#fbfaf7"/>
<text x="24" y="34" font-size="17" font-weight="600" fill="#222">{{ table.title }}</text>
{% for line, loud in above -%}
<text x="24" y="{{ 38 + 18 * loop.index }}" font-size="12.5"{% if loud %} font-weight="600"{% endif %} \
fill="{{ "#a4441f" if loud else "#555" }}">{{ line }}</text>
{% endfor -%}
{% for column in table.columns -%}
<text x="{{ left + step * loop.index0 + half }}" y="{{ top - 10 }}" font-size="13" text-anchor="middle" fill="#333">\
{{ column }}</text>
{% endfor -%}
{% for row, y in rows -%}
{% if row.heading -%}
<text x="24" y="{{ y - 10 }}" font-size="12.5" font-weight="600" fill="#555">{{ row.heading }}</text>
{% endif -%}
<text x="24" y="{{ y + 26 }}" font-size="13.5" fill="#222">{{ row.name }}</text>
{% for tile in row.tiles -%}
{% set x = left + step * loop.index0 -%}
<rect x="{{ x }}" y="{{ y }}" width="{{ table.tile }}" height="{{ high }}" rx="4" fill="{{ tile.colour }}"/>
<text x="{{ x + half }}" y="{{ y + (20 if tile.small else 26) }}" font-size="14" text-anchor="middle" \
fill="{{ "#fff" if tile.colour != empty else "#777" }}">{{ tile.text }}</text>
{% if tile.small -%}
<text x="{{ x + half }}" y="{{ y + 34 }}" font-size="10" text-anchor="middle" fill="#fff">{{ tile.small }}</text>
{% endif -%}
{% if tile.marked -%}
<circle cx="{{ x + table.tile - 9 }}" cy="{{ y + 9 }}" r="3.5" fill="#fff"/>
{% endif -%}
{% endfor -%}
{% endfor -%}
{% for line in below -%}
<text x="24" y="{{ bottom + 18 * loop.index }}" font-size="12.5" fill="#555">{{ line }}</text>
{% endfor -%}
</svg>
"""


def draw(table: HeatTable) -> str:
    """The table as SVG."""
    from jinja2 import Environment

    left, step = 24 + table.names, table.tile + GAP
    width = max(left + step * len(table.columns) + 24 - GAP, _LEAST_WIDTH)
    room = int((width - 48) / _CHARACTER)
    above = [(part, is_loud(line)) for line in table.above for part in textwrap.wrap(line, room)]
    below = [part for line in table.below for part in textwrap.wrap(line, room)]
    top = 74 + 18 * len(above)
    y, rows = top, []
    for row in table.rows:
        y += 30 if row.heading else 0
        rows.append((row, y))
        y += TILE + GAP
    template = Environment(autoescape=True).from_string(_TEMPLATE)
    return template.render(
        table=table,
        above=above,
        below=below,
        top=top,
        rows=rows,
        left=left,
        step=step,
        half=table.tile // 2,
        high=TILE,
        empty=EMPTY,
        bottom=y + 4,
        width=width,
        height=y + 14 + 18 * len(below),
    )


def between(low: Colour, high: Colour, share: float) -> str:
    """The colour at `share` (0-1) of the way from one to another."""
    mixed = (round(a + (b - a) * min(1.0, max(0.0, share))) for a, b in zip(low, high, strict=True))
    return f"rgb({','.join(map(str, mixed))})"
