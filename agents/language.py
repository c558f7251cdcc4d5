"""The languages prompts and game texts exist in."""

from __future__ import annotations

from enum import Enum


class Language(str, Enum):
    """A language that prompts and game texts are written in."""

    EN = "en"
    ZH = "zh"
