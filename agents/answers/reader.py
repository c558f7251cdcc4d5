"""`read_answer`: the option that a text decides for, and how it was read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum

from agents.answers.lexicon import LIST_GAP, TAKEN_BACK, plain
from agents.answers.names import Mention, OptionNames, choices_of, names_of
from agents.answers.sentences import Place, Strength, strength
from agents.answers.wrappers import answers_in, boxed, json_objects, unwrapped, without_boxes, without_end_tokens
from agents.dataclass_init import quick_init
from agents.inference.thoughts import split_thought

LONGEST = 20_000
"""Characters of an answer that are read; a reply of 4096 tokens has about 16,000."""
MOST_MENTIONS = 300
"""Mentions of options in an answer; one with more decides for none."""
_BEFORE, _AFTER = 600, 300
"""Characters of a sentence around a mention that are looked at."""


class AnswerReading(str, Enum):
    """How a decision was read."""

    CONSTRAINED = "constrained"
    EXACT = "exact"
    EXTRACTED = "extracted"
    INVALID = "invalid"


class ReaderVersion(IntEnum):
    """Which reader read the answers of a run; a replay uses the reader that its run had."""

    EXACT_ONLY = 1
    SENTENCES = 2


@quick_init
@dataclass(frozen=True)
class Answer:
    """The option that a text decides for, None where it clearly decides for none, and how it was read."""

    option: str | None
    reading: AnswerReading


INVALID = Answer(None, AnswerReading.INVALID)


def parse_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the one of `choices` that `text` decides for, as `read_answer`."""
    return read_answer(text, choices).option


def read_answer(
    text: str,
    options: Sequence[str],
    names: Mapping[str, str] | None = None,
    version: ReaderVersion = ReaderVersion.SENTENCES,
) -> Answer:
    """Read which of some options a text decides for.

    Args:
        text: The text.
        options: The options.
        names: Other names of options, each with its option.
        version: The reader.

    Returns:
        The option and how it was read; no option where the text does not clearly decide for one.
    """
    if text in options:
        return Answer(text, AnswerReading.EXACT)
    found = _bare_option(text, options)
    if found is not None:
        return Answer(found, AnswerReading.EXACT)
    if version is ReaderVersion.EXACT_ONLY:
        return INVALID
    option = _extracted(text[:LONGEST], names_of(choices_of(options), tuple((names or {}).items())))
    return INVALID if option is None else Answer(option, AnswerReading.EXTRACTED)


def _bare_option(text: str, options: Sequence[str]) -> str | None:
    """Return the option that `text` is; white space, case, quotes and final punctuation do not count."""
    found = [option for option in options if _bare(option) == _bare(text)]
    return found[0] if len(found) == 1 else None


def _bare(text: str) -> str:
    return text.strip().strip("\"'`*").rstrip(".。!！").strip().casefold()


def _extracted(text: str, names: OptionNames) -> str | None:
    said = without_end_tokens(split_thought(text).text)
    whole = _whole(said, names)
    if whole is not None:
        return whole
    declared, rest = _declared(said, names)
    if declared is not None and len(declared) != 1:
        return None
    stances = _stances(plain(rest), names)
    if declared:
        (option,) = declared
        later = {each for each, how, _ in stances if how >= Strength.FINAL}
        return option if later <= {option} else None
    return _decided(stances)


def _whole(text: str, names: OptionNames) -> str | None:
    """Return the option that a text is once its wrappers are taken off."""
    layers = unwrapped(text, lambda each: names.whole(each) is not None)
    return next((found for each in layers if (found := names.whole(each))), None)


def _declared(text: str, names: OptionNames) -> tuple[set[str | None] | None, str]:
    """Return the options that boxes, tags and JSON state, None where there are none of these, and the text without."""
    stated, beside, rest = boxed(text), list[str](), without_boxes(text)
    for start, end, mapping in reversed(json_objects(rest)):
        values, others = answers_in(mapping)
        stated += values or ([""] if (start, end) == (0, len(rest)) else [])
        beside += others
        rest = f"{rest[:start]} . {rest[end:]}"
    if not stated:
        return None, rest
    contradicting = {option for value in beside if (option := _stated(value, names)) is not None}
    return {_stated(value, names) for value in stated} | contradicting, rest


def _stated(value: str, names: OptionNames) -> str | None:
    return _whole(value, names) or _decided(_stances(plain(value), names))


Stance = tuple[str | None, Strength, int]
"""An option (None: a number that is none), how much its mention decides, and where it is."""


def _stances(text: str, names: OptionNames) -> list[Stance]:
    """Return what each mention of an option in a text decides; those of a list of options are left out."""
    text = _not_taken_back(_without_quotes(_without_marks(text, names), names), names)
    mentions = names.mentions(text)
    if len(mentions) > MOST_MENTIONS:
        return []
    listed = _listed(text, mentions)
    found: list[Stance] = []
    for begin, end, question in _sentences(text):
        sentence = text[begin:end]
        inside = names.mentions(sentence)
        for each in inside:
            if begin + each.start not in listed:
                later = any(other.end <= each.start and other.option != each.option for other in inside)
                left = sentence[max(0, each.start - _BEFORE) : each.start]
                right = sentence[each.end : each.end + _AFTER]
                place = Place(left, right, question, each.numeric, later)
                found.append((each.option, strength(place), begin + each.start))
    return found


def _not_taken_back(text: str, names: OptionNames) -> str:
    """Return what follows the last words that take everything before them back."""
    own = [(each.start, each.end) for each in names.mentions(text)]
    ends = (
        match.end()
        for match in TAKEN_BACK.finditer(text.lower())
        if not any(match.start() < end and start < match.end() for start, end in own)
    )
    return text[max(ends, default=0) :]


def _decided(stances: Sequence[Stance]) -> str | None:
    """Return the option that the strongest mentions agree on."""
    for level in (Strength.FINAL, Strength.DECISION, Strength.WISH):
        at = [place for _, how, place in stances if how == level]
        options = {option for option, how, _ in stances if how == level}
        if not options:
            continue
        if level is Strength.FINAL:
            options |= {option for option, how, place in stances if how == Strength.DECISION and place > min(at)}
        else:
            options |= {option for option, how, _ in stances if how == Strength.CLOUD}
        return options.pop() if len(options) == 1 else None
    return None


def _listed(text: str, mentions: Sequence[Mention]) -> set[int]:
    """Return where mentions begin that are parts of a list of several options."""
    listed: set[int] = set()
    group: list[Mention] = []
    for each in [*mentions, None]:
        if group and each is not None and LIST_GAP.fullmatch(text[group[-1].end : each.start].lower()):
            group.append(each)
            continue
        if len({(one.option, text[one.start : one.end] if one.option is None else "") for one in group}) > 1:
            listed.update(one.start for one in group)
        group = [each] if each is not None else []
    return listed


_SENTENCE_END = re.compile(
    r"[!?;。\n]+|\.{2,}|(?<![\s(][A-Za-z])(?<!^[A-Za-z])(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)\.(?!\d)(?=\s|$|[\u4e00-\u9fff\"')\]])"
)


def _sentences(text: str) -> list[tuple[int, int, bool]]:
    """Return the begin and end of each sentence, and whether it is a question."""
    found, begin = [], 0
    for match in _SENTENCE_END.finditer(text):
        found.append((begin, match.start(), "?" in match[0]))
        begin = match.end()
    found.append((begin, len(text), False))
    return [each for each in found if text[each[0] : each[1]].strip()]


def _without_marks(text: str, names: OptionNames) -> str:
    """Return a text without emphasis, headings, LaTeX commands and the markers of list items."""
    text = re.sub(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"[*`$]+|(?<![a-zA-Z0-9])_+|_+(?![a-zA-Z0-9])|【|】|《|》", "", text)
    lines = text.split("\n")
    numbered = [re.match(r"\s*\(?\d{1,2}[.):]\s+(?=\S)", line) for line in lines]
    several = sum(match is not None for match in numbered) > 1
    for at, match in enumerate(numbered):
        if match and (several or not names.numbers):
            lines[at] = lines[at][match.end() :]
    return "\n".join(_without_marker(line, names) for line in lines)


def _without_marker(line: str, names: OptionNames) -> str:
    """Return a line without the dash or letter of a list item; a letter that is an option stays."""
    match = _LINE_MARKER.match(line)
    is_option = match is not None and names.whole(match[0].strip(" .()>#-•")) is not None
    return line if match is None or is_option else line[match.end() :]


_LINE_MARKER = re.compile(r"\s*(?:[-•>#]+\s+|\(?[A-Ha-h][.)]\s+)(?=\S)")

_QUOTED = re.compile(
    r"\"([^\"\n]{1,400})\"|“([^”\n]{1,400})”|„([^“”\n]{1,400})[“”]|「([^」\n]{1,400})」|『([^』\n]{1,400})』|(?<![a-zA-Z])'([^'\n]{1,400})'(?![a-zA-Z])"
)


def _without_quotes(text: str, names: OptionNames) -> str:
    """Return a text without quotation marks; what somebody said is replaced, an option stays."""

    def kept(match: re.Match[str]) -> str:
        inner = next(group for group in match.groups() if group is not None)
        return inner if names.whole(inner) else " § "

    return _QUOTED.sub(kept, text)
