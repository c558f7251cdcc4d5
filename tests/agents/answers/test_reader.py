"""The reader of answers: what holds for all options and all wrappers. `tests/corpus/test_answers.py` has the cases."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.answers import Answer, AnswerReading, ReaderVersion, parse_choice, read_answer

OPTION_SETS = (
    ("cooperate", "defect"),
    ("合作", "背叛"),
    ("0", "5", "10", "50", "100"),
    ("stag", "hare"),
    ("hunt stag", "hunt hare", "wait"),
    ("0-0-6", "0-3-3", "1-0-5"),
    ("P", "Q", "R"),
    ("defect", "defect softly"),
    ("合作", "不合作"),
    ("accept", "reject"),
)
WRAPPERS = (
    "{}",
    " {}\n",
    "**{}**",
    '"{}"',
    "“{}”",
    "「{}」",
    "`{}`",
    "[{}]",
    "({})",
    "```\n{}\n```",
    "```json\n{}\n```",
    "\\boxed{{{}}}",
    "- {}",
    "Answer: {}",
    "**Answer:** {}",
    "My final decision: {}",
    "答案：{}",
    "选择：{}",
    '{{"choice": "{}"}}',
    "<answer>{}</answer>",
    "<think>I could do something else.</think>\n{}",
    "maybe the other one</think>{}",
    "{}</s>",
    "{}<|im_end|>",
    "{} 👍",
)
WORDS_THAT_TURN = (
    *("I", "will", "not", "cooperate", "defect", "if", "never", "or", "and", "maybe", "the", "bo", "is"),
    *(",", ".", "?", "but", "then", "to", "rather", "than"),
)
OPTIONS = st.sampled_from(OPTION_SETS)
TEXTS = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() == text and text.isprintable())


@given(options=st.lists(TEXTS, min_size=1, max_size=6, unique=True), data=st.data())
def test_an_options_own_text_is_always_read(options: list[str], data: st.DataObject) -> None:
    option = data.draw(st.sampled_from(options))
    assert read_answer(option, options) == Answer(option, AnswerReading.EXACT)


@given(options=OPTIONS, data=st.data(), layers=st.lists(st.sampled_from(WRAPPERS), max_size=3))
@settings(max_examples=400, deadline=None)
def test_wrappers_compose(options: tuple[str, ...], data: st.DataObject, layers: list[str]) -> None:
    option = data.draw(st.sampled_from(options))
    text = option
    for layer in layers:
        if "{{" in layer:  # a JSON text keeps its quotation marks by an escape
            text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") if '"' in layer else text
        text = layer.format(text)
    found = parse_choice(text, options)
    assert found in (option, None)  # never another one
    if len(layers) < 2:
        assert found == option


@given(
    options=OPTIONS,
    data=st.data(),
    layer=st.sampled_from(WRAPPERS),
    gap=st.sampled_from((" or ", ", ", "/", " and ", "、", "或", "还是", "\n", " vs ")),
)
@settings(max_examples=300, deadline=None)
def test_two_options_without_a_decision_are_invalid(
    options: tuple[str, ...], data: st.DataObject, layer: str, gap: str
) -> None:
    one, other = data.draw(st.permutations(options))[:2]
    if f"{one}{gap}{other}" in ("defect softly",) or layer.startswith("<think>"):
        return
    body = f"{one}{gap}{other}"
    text = layer.format(body.replace("\n", "\\n") if '"choice"' in layer else body)
    assert parse_choice(text, options) is None


@given(text=st.text(max_size=200), options=OPTIONS)
@settings(max_examples=300, deadline=None)
def test_reader_takes_any_text(text: str, options: tuple[str, ...]) -> None:
    answer = read_answer(text, options)
    assert answer.option is None or answer.option in options
    assert (answer.option is None) is (answer.reading is AnswerReading.INVALID)


@given(
    words=st.lists(
        st.sampled_from(WORDS_THAT_TURN),
        max_size=12,
    )
)
@settings(max_examples=500, deadline=None)
def test_a_text_that_names_no_option_or_negates_all_is_never_read(words: list[str]) -> None:
    """A sentence of the words that turn answers around is read only as an option that it names."""
    text = " ".join(words)
    found = parse_choice(text, ("cooperate", "defect"))
    assert found is None or found in words
    if found is not None:
        at = [place for place, word in enumerate(words) if word == found]
        assert not all(place and words[place - 1] in ("not", "never", "maybe", "bo", "if") for place in at), text


@pytest.mark.parametrize(
    "part",
    [
        *("{", "(", "我", "I will ", "5-", "<think>", '"', "\\boxed{", "- ", "no, ", "cooperate or ", "I cooperate, "),
        *("cooperate. ", "cooperate\n", "5 ", "a) ", "**", "{'a': ", "<a>", "合作，", "```\n", "if 5 then 10, "),
    ],
)
def test_reading_takes_little_time(part: str) -> None:
    text = part * (20_000 // len(part))
    began = time.process_time()
    for options in OPTION_SETS[:3]:
        read_answer(text, options)
    assert time.process_time() - began < 5  # a second on an idle machine; quadratic steps took minutes


def test_names_of_actions_are_read_in_place_of_labels() -> None:
    options = ("去钓鱼", "回家")
    assert parse_choice("I choose go_fishing", options) is None
    found = read_answer("I choose go_fishing.", options, {"go_fishing": "去钓鱼"})
    assert found == Answer("去钓鱼", AnswerReading.EXTRACTED)


@pytest.mark.parametrize(
    ("text", "before", "now"),
    [
        ("cooperate", AnswerReading.EXACT, AnswerReading.EXACT),
        (" **Cooperate**.", AnswerReading.INVALID, AnswerReading.EXTRACTED),
        ('"Cooperate."', AnswerReading.EXACT, AnswerReading.EXACT),
        ("I will cooperate.", AnswerReading.INVALID, AnswerReading.EXTRACTED),
    ],
)
def test_first_version_reads_options_only(text: str, before: AnswerReading, now: AnswerReading) -> None:
    """A run that the first reader made is replayed with it."""
    options = ("cooperate", "defect")
    assert read_answer(text, options, version=ReaderVersion.EXACT_ONLY).reading is before
    assert read_answer(text, options).reading is now
