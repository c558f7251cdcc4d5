"""The languages prompts and game texts exist in."""

from __future__ import annotations

from enum import Enum


class Language(str, Enum):
    EN = "en"
    ZH = "zh"
