"""What models put around an answer: marks, fences, tags, labels, list items, JSON, LaTeX. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

LABEL = (
    r"(?:(?:my|our|the|here is|here's|so|thus|therefore|and)\s+)*(?:final |best |chosen |selected |own |next )*"
    r"(?:answer|choice|decision|action|move|option|selection|pick|vote|response|output|reply|result|contribution|bid|offer"
    r"|guess|estimate|amount|harvest|demand|value|number|word|final|conclusion|play|strategy)"
)
LABEL_ZH = (
    r"(?:我的|我们的|本轮的?|因此|所以|那么|综上所述|综上)*[,、]?(?:最终的?|最后的?)?(?:答案|答复|答|回答|选择|选项|决定|决策|行动"
    r"|策略|结果|结论|贡献|出价|数量|金额|数字|报价)"
)
_LABELLED = re.compile(
    rf"(?:{LABEL}(?:\s+(?:is|would be|will be))?|{LABEL_ZH}(?:是|为)?)[\"'*`]*\s*(?:\([^()]*\)\s*)?"
    r"(?::|=+>?|-+>|-|–|—|→|是|为|\bis\b)\s*(?:to\s+)?",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?:(?:[-*+•>#◦]+|\d{1,2}[.):]|\(\d{1,2}\)|[A-Ha-h][.):]|\([A-Ha-h]\)|[①-⑨])\s+"
    r"|(?:option|choice|选项)\s*[A-Ha-h1-9]?\s*[.):]\s*)(?=\S)",
    re.IGNORECASE,
)
_END_TOKEN = re.compile(
    r"</s>|<s>|<eos>|<bos>|<pad>|<end_of_turn>|<start_of_turn>\w*|<\|[a-z_0-9▁|]{2,40}\|>|<｜[^｜<>]{2,40}｜>"
    r"|\[/?inst\]|\[end\]|\[eos\]",
    re.IGNORECASE,
)
_FENCE = re.compile(r"(?:```+|~~~+)[ \t]*[\w+-]*[ \t]*\n?(.*?)\n?[ \t]*(?:```+|~~~+)", re.DOTALL)
_TAG = re.compile(r"<([a-z_][\w-]{0,30})>\s*(.*?)\s*</\1>", re.DOTALL | re.IGNORECASE)
_OPENING, _CLOSING = "([{<（【「『《〈“‘«\"'`$|~", ")]}>）】」』》〉”’»\"'`$|~"
_PAIRS = frozenset(map("".join, zip(_OPENING, _CLOSING, strict=True)))
_EDGE = " \t\r\n\"'`*_.,;:!。！、，；：…"
_LATEX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf|fbox)\s*\{([^{}]*)\}")
_KEYS = (
    "final final_answer finalanswer final_choice final_decision 最终答案 最终选择",
    "answer choice decision selection selected pick vote choose chosen my_choice my_answer 答案 选择 决定 回答 决策",
    "contribution contribute bid offer guess estimate amount harvest demand 贡献 出价 数量",
    "action move option strategy play word value number result 行动 选项 策略",
)
"""Keys of JSON whose value is the answer; those of an earlier line count more."""
_TAGS = "answer|choice|decision|action|final|final_answer|output|response|result|option|move"
_LONE_TAG = re.compile(rf"^<(?:{_TAGS})>|</(?:{_TAGS})>$", re.IGNORECASE)
_ANSWER_TAG = re.compile(rf"<({_TAGS})>\s*(.*?)\s*</\1>", re.DOTALL | re.IGNORECASE)
_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")


def without_end_tokens(text: str) -> str:
    """Return a text without the tokens of chat templates that some servers leave in."""
    return _END_TOKEN.sub(" ", text).strip()


def unwrapped(text: str, is_option: Callable[[str], bool]) -> Iterator[str]:
    """Yield what is left of a text as one wrapper after the other is taken off, until nothing is left to take off.

    Args:
        text: The text.
        is_option: Whether a text is an option; a list marker that is one is no marker.
    """
    seen: set[str] = set()
    text = text.strip()
    while text and text not in seen and len(seen) < 40:
        seen.add(text)
        yield text
        text = _taken_off(text, is_option).strip()


def _taken_off(text: str, is_option: Callable[[str], bool]) -> str:
    """Return a text without its outermost wrapper; the text itself where there is none."""
    whole = _FENCE.fullmatch(text) or _TAG.fullmatch(text)
    if whole:
        return whole[whole.lastindex or 1]
    for without in (_LONE_TAG.sub("", text), _LATEX.sub(r"\1", text)):
        if without != text:
            return without
    if len(text) > 1 and text[0] + text[-1] in _PAIRS:
        return text[1:-1]
    bare = text.strip(_EDGE).rstrip("~～").removesuffix("()")
    return bare if bare != text else _without_prefix(text, is_option)


def _without_prefix(text: str, is_option: Callable[[str], bool]) -> str:
    """Return a single line without its list marker, or a text without its label."""
    item = _ITEM.match(text)
    if item and "\n" not in text and not is_option(item[0].strip(" .):(")):
        return text[item.end() :]
    label = _LABELLED.match(text)
    return text[label.end() :] if label and "\n" not in text[label.end() :].strip() else text


def boxed(text: str) -> list[str]:
    """Return what stands in LaTeX boxes and in tags that mark an answer."""
    return [match[1] for match in _BOX.finditer(text)] + [match[2] for match in _ANSWER_TAG.finditer(text)]


def without_boxes(text: str) -> str:
    """Return a text with each box and answer tag replaced by a full stop."""
    return _ANSWER_TAG.sub(" . ", _BOX.sub(" . ", text))


def json_objects(text: str) -> list[tuple[int, int, Any]]:
    """Return each JSON (or Python) mapping without mappings in it, with its place in the text."""
    found = []
    for match in re.finditer(r"\{[^{}]{1,4000}\}", text):
        value = _literal(match[0])
        if isinstance(value, dict) and value:
            found.append((match.start(), match.end(), value))
    return found


def _literal(text: str) -> Any:
    """Return the value of JSON, or of a Python mapping with plain texts; None for anything else."""
    for form in (text, _PYTHON_WORD.sub(lambda match: _JSON_WORDS[match[0]], _PYTHON_TEXT.sub(r'"\1"', text))):
        try:
            return orjson.loads(form)
        except orjson.JSONDecodeError:
            continue
    return None


_PYTHON_TEXT = re.compile(r"'([^'\"\\\n]*)'")
_PYTHON_WORD = re.compile(r"\b(?:True|False|None)\b")
_JSON_WORDS = {"True": "true", "False": "false", "None": "null"}


def answers_in(mapping: dict[Any, Any]) -> tuple[list[str], list[str]]:
    """Return the values of a mapping that state the answer, and those beside them that may contradict it.

    The answer is under the first kind of `_KEYS` that the mapping has, or it is the only value, or the only key that is
    true among keys that are not.
    """
    flags = [str(key) for key, value in mapping.items() if value is True]
    if len(flags) == 1 and all(isinstance(value, bool) for value in mapping.values()):
        return flags, []
    kinds = [[_text(value) for key, value in mapping.items() if _key(key) in keys.split()] for keys in _KEYS]
    found = [values for values in kinds if values]
    if not found:
        if any(_NO_ANSWER.search(_key(key)) for key in mapping):
            return [], []
        return ([_text(value) for value in mapping.values()] if len(mapping) == 1 else []), []
    return found[0], [value for values in found[1:] for value in values]


_NO_ANSWER = re.compile(
    r"last|prev|opponent|partner|other|their|predict|expect|reason|thought|explan|round|step|turn|left|remain|keep|payoff"
    r"|confidence|message"
)
"""Keys of what is no answer: what happened, what others do, what is thought."""


def _key(key: object) -> str:
    return re.sub(r"[\s-]+", "_", str(key).strip().casefold())


def _text(value: object) -> str:
    if isinstance(value, list) and len(value) == 1:
        return _text(value[0])
    if isinstance(value, list) and value and all(type(each) is int for each in value):
        return "-".join(map(str, value))
    return "" if isinstance(value, (bool, dict, list)) or value is None else str(value)
