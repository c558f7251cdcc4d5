"""Model output reaches a terminal as text, never as a command to it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.sanitize import sanitize, sanitize_lines

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("over\rwritten", r"over\rwritten"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("half \ud83d", r"half \ud83d"),
        ("合作 👩\u200d🔬 né", "合作 👩\u200d🔬 né"),
    ],
)
def test_sanitize_escapes_control_characters(text: str, shown: str) -> None:
    assert sanitize(text) == sanitize_lines(text) == shown


def test_sanitize_lines_leaves_line_ends() -> None:
    assert sanitize_lines("one\n\ttwo") == "one\n\ttwo"
    assert sanitize("one\n\ttwo") == r"one\n\ttwo"


@given(text=ANY_TEXT)
def test_sanitize_leaves_nothing_that_controls_a_terminal(text: str) -> None:
    shown = sanitize(text)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(character) for character in shown} & {"RLO", "LRO", "RLE", "LRE", "PDF"}
    shown.encode("utf-8")
    assert sanitize(shown) == shown
