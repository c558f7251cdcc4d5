"""The answer block as text for a terminal, and as HTML for a page or a notebook."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agents.sanitize import sanitize
from simulation.answer.answer import answer_of
from simulation.answer.words import Block, Line, LineKind, block_of

if TYPE_CHECKING:
    from rich.text import Text

    from simulation.tables.run import Run

LEAST_WIDTH = 60
"""The columns that the block needs; in a narrower terminal its lines are this wide too."""
WIDTH = 120
"""The columns of the block where the console has more: longer lines read badly."""
_BOLD = "bold"
_STYLES = {LineKind.WARNING: "bold yellow", LineKind.QUOTE: "italic", LineKind.PLACE: "", LineKind.PLAIN: ""}
_CSS = {LineKind.WARNING: "color:#a4441f;font-weight:600", LineKind.QUOTE: "font-style:italic;padding-left:1.2em"}


def answer_text(run: Run, width: int = 80) -> str:
    """Return the answer block of a run as plain text, each line at most `width` columns (60 at least)."""
    return "\n".join(text for _, text in _lines(block_of(answer_of(run)), width))


def block_text(block: Block, width: int) -> Text:
    """Return the answer block for a rich console."""
    from rich.text import Text

    return Text("\n").join(Text(text, style=style) for style, text in _lines(block, width))


def answer_html(run: Run) -> str:
    """Return the answer block of a run as HTML; texts of models are escaped."""
    block = block_of(answer_of(run))
    parts = [f"<h3>{_escaped(block.title)}</h3>"]
    for section in block.sections:
        parts.append(f"<h4 style='margin:.6em 0 .2em'>{_escaped(section.title)}</h4>")
        parts += [f"<div style='{_CSS.get(line.kind, '')}'>{_escaped(line.text)}</div>" for line in section.lines]
    return f"<div class='society-answer' style='max-width:60em'>{''.join(parts)}</div>"


def _escaped(text: str) -> str:
    return html.escape(sanitize(text))


def _lines(block: Block, width: int) -> Iterator[tuple[str, str]]:
    """Yield every line with its style, wrapped at word ends."""
    width = max(LEAST_WIDTH, width)
    for text in _wrapped(block.title, width, ""):
        yield _BOLD, text
    for section in block.sections:
        yield _BOLD, section.title
        for line in section.lines:
            for text in _wrapped(line.text, width, _indent(line)):
                yield _STYLES[line.kind], text


def _indent(line: Line) -> str:
    return "      " if line.kind is LineKind.QUOTE else "  "


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return _wrap(sanitize(text), width, indent)


def _wrap(text: str, width: int, indent: str) -> list[str]:
    """Return the lines of a text; characters that take two columns count as two."""
    from rich.cells import cell_len

    hang = indent + "  " if indent else "  "
    if cell_len(text) == len(text):
        broken = textwrap.TextWrapper(
            width, initial_indent=indent, subsequent_indent=hang, break_on_hyphens=False, break_long_words=False
        )
        return broken.wrap(text)
    from rich.console import Console
    from rich.text import Text

    lines = Text(text).wrap(Console(width=width), width - len(hang))
    return [f"{hang if number else indent}{line.plain.rstrip()}" for number, line in enumerate(lines)]
