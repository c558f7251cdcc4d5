"""The words of a text, for search and similarity. Pure."""

from __future__ import annotations

import re

_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+")
"""A word; each Han character counts as one, as Chinese puts no spaces between words."""
_HAN = re.compile(r"([\u3400-\u9fff])")


def words_of(text: str) -> list[str]:
    """Return the different words of a text in lower case, in the order in which they first occur."""
    return list(dict.fromkeys(all_words(text)))


def all_words(text: str) -> list[str]:
    """Return the words of a text in lower case, repeated ones too."""
    return _WORD.findall(_HAN.sub(r" \1 ", text.lower()))
