"""A corpus of free-form answers in English and Chinese: clear ones are read, unclear ones invalid, none is misread.

`answers.tsv` has what each answer means (`-`: no option clearly), the options, and the answer (`\\n` is a new line).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from agents.answers import AnswerReading, read_answer

CORPUS = Path(__file__).parent / "answers.tsv"
NONE = "-"
LEAST_CLEAR, LEAST_UNCLEAR, LEAST_READ = 150, 60, 0.95


class Case(NamedTuple):
    meant: str
    options: tuple[str, ...]
    answer: str


def corpus() -> list[Case]:
    rows = [line.split("\t") for line in CORPUS.read_text(encoding="utf-8").split("\n")[1:] if line]
    return [Case(meant, tuple(options.split("|")), _unescaped(answer)) for meant, options, answer in rows]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)


ALL = corpus()
CLEAR = [case for case in ALL if case.meant != NONE]
UNCLEAR = [case for case in ALL if case.meant == NONE]


def is_chinese(case: Case) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in "".join(case.options))


def test_corpus_has_the_promised_size_in_both_languages() -> None:
    for language in (False, True):
        assert len([case for case in CLEAR if is_chinese(case) is language]) >= LEAST_CLEAR / 2
        assert len([case for case in UNCLEAR if is_chinese(case) is language]) >= LEAST_UNCLEAR / 2
    assert len({case[1:] for case in ALL}) == len(ALL)


def test_clear_answers_are_read() -> None:
    found = [(case, read_answer(case.answer, case.options)) for case in CLEAR]
    unread = [case for case, answer in found if answer.option is None]
    misread = [case for case, answer in found if answer.option not in (None, case.meant)]
    assert not misread
    assert len(unread) <= (1 - LEAST_READ) * len(CLEAR), unread


def test_unclear_answers_are_invalid() -> None:
    read = [(case, answer) for case in UNCLEAR if (answer := read_answer(case.answer, case.options)).option]
    assert not read
    assert all(read_answer(case.answer, case.options).reading is AnswerReading.INVALID for case in UNCLEAR)


EXCHANGED = {
    ("cooperate", "defect"): (
        "cooperating defecting",
        "cooperation defection",
        "cooperates defects",
        "cooperated defected",
    ),
    ("合作", "背叛"): (),
}


@pytest.mark.parametrize(("one", "other"), EXCHANGED)
def test_reader_favours_no_option(one: str, other: str) -> None:
    """With the two options exchanged in an answer, the other one is read: no option is read more readily."""
    pairs = [(one, other), *(pair.split() for pair in EXCHANGED[one, other])]
    lower = {left: right for pair in pairs for left, right in (pair, pair[::-1])}
    swap = {case(left): case(right) for left, right in lower.items() for case in (str.lower, str.title, str.upper)}
    pattern = re.compile("|".join(sorted(swap, key=len, reverse=True)))
    cases = [case for case in ALL if set(case.options) == {one, other} and not _has_another_form(case.answer, swap)]
    assert len(cases) > 100
    for case in cases:
        swapped = pattern.sub(lambda match: swap[match[0]], case.answer)
        before, after = read_answer(case.answer, case.options).option, read_answer(swapped, case.options).option
        assert after == (swap[before] if before else None), (case, swapped)


def _has_another_form(answer: str, swap: dict[str, str]) -> bool:
    """Tell whether an answer names an option in a form that the exchange does not reach."""
    rest = re.sub("|".join(sorted(swap, key=len, reverse=True)), "", answer)
    return re.search(r"coop|defect|合作|背叛|ｃｏ", rest, re.IGNORECASE) is not None
