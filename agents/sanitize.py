"""Make texts that models and servers wrote harmless for a terminal. This is the only place that does so.

A reply may contain escape sequences that move the cursor, recolour the text or rename the window, or marks that turn
the reading direction. They are shown as escapes, `\\x1b` or `\\u202e`, and have no effect.
"""

from __future__ import annotations

import re

_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(f"[{_CONTROLS}]")
_IN_LINE = re.compile(f"[{_CONTROLS}\t\n]")


def sanitize(text: str) -> str:
    """Return `text` on one line, with control characters, direction marks and halves of surrogate pairs escaped."""
    return _IN_LINE.sub(_escaped, text)


def sanitize_lines(text: str) -> str:
    """Return the same for a text of several lines: line ends and tabs stay."""
    return _IN_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")
