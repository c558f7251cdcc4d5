"""The names of the options: their own texts, their other forms and translations, and where a text mentions them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from agents.answers.lexicon import COMMON_NUMBERS, NUMBER_WORDS, TRANSLATIONS, plain

_NUMBER = r"[-−+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[-−+]?\d+(?:\.\d+)?"
_RANGE = r"\d+(?:\.\d+)?\s*(?:[-–—~/:x*+=×^%]|\bto\b|至|到)\s*\d+(?:\.\d+)?(?:\s*[-–—~/:*+=]\s*\d+)*|\d+(?:\.\d+)?\s*%"
_SPLIT = re.compile(r"[\[(]?\s*\d+(?:\s*[-–—,、/:;|]\s*\d+)+\s*[\])]?")
_MARKS = " \t\r\n\"'`*_.,;:!。！“”„‟「」『』《》〈〉【】…、，；：·"


@dataclass(frozen=True)
class Mention:
    """Where a text mentions an option; `option` is None for a number that is no option."""

    start: int
    end: int
    option: str | None
    numeric: bool


class OptionNames:
    """The names by which a text may mention some options.

    Args:
        options: The options.
        others: Other names, each with its option.
    """

    def __init__(self, options: tuple[str, ...], others: Mapping[str, str]) -> None:
        self._options = options
        own = _unique((normal(option), option) for option in options)
        self.numbers = {value: option for option in options if (value := number_of(option)) is not None}
        other = [*others.items(), *_translations(own), *_forms(own), *_number_words(self.numbers)]
        taken = {normal(option) for option in options}
        self._whole = {**_unique((normal(name), option) for name, option in other if normal(name) not in taken), **own}
        tokens = [*self._named(), *([_RANGE_TOKEN, _NUMBER_TOKEN] if self.numbers else [])]
        self._pattern = re.compile("|".join(tokens), re.IGNORECASE)

    def whole(self, text: str) -> str | None:
        """Return the option that a text is, but for case, marks around it and the form of a number."""
        name = normal(text)
        value = number_of(name)
        if value is not None and value in self.numbers:
            return self.numbers[value]
        if name not in self._whole and _SPLIT.fullmatch(name):
            name = "-".join(re.findall(r"\d+", name))
        return self._whole.get(name)

    def mentions(self, text: str) -> list[Mention]:
        """Return every mention in a text that is `plain`, the longest name first where several begin."""
        found = []
        for match in self._pattern.finditer(text):
            named = match.lastgroup is None
            option = self._whole.get(normal(match.group())) if named else self._number(match.group())
            if option is not None and len(option) == 1 and option.isalpha() and option != text[match.start()]:
                continue  # "a" is an article where an option is called A
            numeric = not named or (option or "")[:1].isdecimal()
            found.append(Mention(match.start(), match.end(), option, numeric))
        return found

    def _number(self, token: str) -> str | None:
        value = number_of(token)
        return None if value is None else self.numbers.get(value)

    def _named(self) -> list[str]:
        names = (name for name in self._whole if name and number_of(name) is None and name not in COMMON_NUMBERS)
        return [_name_pattern(name) for name in sorted(names, key=len, reverse=True)] or ["(?!)"]


_NUMBER_TOKEN = rf"(?P<number>(?<![a-z0-9_.~≈<>≥≤±])(?:{_NUMBER})(?![a-z0-9_%+]|\.\d))"
_RANGE_TOKEN = rf"(?P<range>(?<![a-z0-9_.])(?:{_RANGE}))"


def _name_pattern(name: str) -> str:
    """Return a pattern of a name as a whole word; Chinese has no marks between words."""
    inner = r"[\s_-]+".join(map(re.escape, name.split(" ")))
    if re.fullmatch(r"\d+(?:-\d+)+", name):
        inner = r"\s*[-–—,、/]\s*".join(name.split("-"))
    before = r"(?<![a-z0-9_.-])(?<![a-z0-9]')" if name[0].isascii() else ""
    after = r"(?![a-z0-9_]|[.-][a-z0-9]|'[a-z])" if name[-1].isascii() else ""
    return f"{before}{inner}{after}"


def normal(text: str) -> str:
    """Return a name in the form in which names are compared."""
    name = plain(text).casefold().strip(_MARKS)
    value = number_of(name)
    if value is not None:
        return f"{value:g}" if abs(value) < 1e6 else repr(value)
    if _SPLIT.fullmatch(name):
        return name
    return re.sub(r"(?<=[^\W\d_])[\s_-]+(?=[^\W_])|(?<=[^\W_])[\s_-]+(?=[^\W\d_])|\s+", " ", name)


def number_of(text: str) -> float | None:
    """Return the number that a text is; None for anything else."""
    token = text.strip()
    if not re.fullmatch(_NUMBER, token):
        return None
    return float(token.replace(",", "").replace("−", "-"))


def _unique(pairs: object) -> dict[str, str]:
    """Return a mapping of the names that belong to one option only."""
    found: dict[str, str | None] = {}
    for name, option in pairs:  # type: ignore[attr-defined]
        found[name] = option if found.get(name, option) == option else None
    return {name: option for name, option in found.items() if name and option is not None}


def _translations(own: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = [pair for each in TRANSLATIONS for pair in (each, each[::-1])]
    return [(to, own[name]) for name, to in pairs if name in own] + [
        (form, own[zh]) for en, zh in TRANSLATIONS if zh in own for form in _forms_of(en)
    ]


def _forms(own: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(form, option) for name, option in own.items() for form in _forms_of(name)]


def _forms_of(verb: str) -> list[str]:
    """Return the -ing and -ion forms of an English verb: cooperating, cooperation; a wrong one matches nothing."""
    if not re.fullmatch(r"[a-z]{3,}", verb):
        return []
    stem = verb[:-1] if verb.endswith("e") else verb
    doubled = [f"{stem}{stem[-1]}ing"] if re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", verb) else []
    return [f"{stem}ing", f"{stem}ion", *doubled, *(["competition"] if verb == "compete" else [])]


def _number_words(numbers: Mapping[float, str]) -> list[tuple[str, str]]:
    return [(word, numbers[value]) for word, value in NUMBER_WORDS.items() if value in numbers]


@lru_cache(maxsize=512)
def names_of(options: tuple[str, ...], others: tuple[tuple[str, str], ...] = ()) -> OptionNames:
    """Return the names of some options; the same object for the same options."""
    return OptionNames(options, dict(others))


def choices_of(options: Sequence[str]) -> tuple[str, ...]:
    """Return options as a tuple, which `names_of` can remember."""
    return options if isinstance(options, tuple) else tuple(options)
