"""The languages prompts and game texts exist in."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Language(str, Enum):
    """A language that prompts and game texts are written in."""

    EN = "en"
    ZH = "zh"


def text_in(text: str | Mapping[Language, str], language: Language = Language.EN) -> str:
    """Return a text in a language: itself, or the version of that language, or else the first there is."""
    if isinstance(text, str):
        return text
    return text.get(language) or next(iter(text.values()), "")
