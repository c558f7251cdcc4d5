"""What a model thought before it answered, told apart from its answer. Pure.

| a server's reply                                     | thought                                        |
|------------------------------------------------------|------------------------------------------------|
| `<think>…</think>` and its kin, also without the     | what stands in the tags; all of the text where |
| opening tag (the template wrote it) or the closing   | a tag is not closed, up to the closing tag     |
| one (the reply was cut)                              | where none was opened                          |
| harmony channels                                     | every channel but `final`                      |
| `reasoning`, `reasoning_content`, parts of content   | `agents.inference.servers.reply` reads these   |
"""

from __future__ import annotations

import re
from typing import NamedTuple

_NAMES = r"think(?:ing)?|thoughts?|reasoning|reason|reflection|analysis|scratchpad|inner_monologue|seed:think"
_TAG = re.compile(
    rf"(?P<open><(?:{_NAMES})>|◁think▷|\[THINK\]|<\|begin_of_thought\|>|<unused94>(?:thought\n?)?|<\|channel>thought\n?)"
    rf"|(?P<close></(?:{_NAMES})>|◁/think▷|\[/THINK\]|<\|end_of_thought\|>|<unused95>|<channel\|>)",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>|<\|start\|>\s*\w*")
_BARE_HARMONY = re.compile(r"\s*analysis(?=[A-Z\u4e00-\u9fff\s])(.*?)(?:assistant\s*final)(.*)", re.DOTALL)


class Thought(NamedTuple):
    """A reply in two parts.

    Attributes:
        text: The answer.
        reasoning: What was thought; empty without a thought.
        cut: True where the reply ended within the thought.
    """

    text: str
    reasoning: str = ""
    cut: bool = False


def split_thought(text: str, *, opened: bool = False) -> Thought:
    """Return a reply's answer and thought.

    Args:
        text: The reply.
        opened: True where the prompt opened the thought, so that a reply without a closing tag is all thought.
    """
    if "<|channel|>" in text:
        return _channels(text)
    if "<" not in text and "[" not in text and "◁" not in text:  # nearly every reply
        return _bare_harmony(text) or _unmarked(text, opened)
    if _TAG.search(text) is None:
        return _bare_harmony(text) or _unmarked(text, opened)
    return _tagged(text)


def ends_in_thought(prompt: str) -> bool:
    """Return whether a prompt ends with a tag that opens a thought."""
    tags = list(_TAG.finditer(prompt))
    return bool(tags and tags[-1]["open"]) and not prompt[tags[-1].end() :].strip()


def _unmarked(text: str, opened: bool) -> Thought:
    return Thought("", text.strip(), cut=True) if opened and text else Thought(text)


def _bare_harmony(text: str) -> Thought | None:
    """Read channels whose marks were dropped by a decoder: "analysis…assistantfinal…"."""
    found = _BARE_HARMONY.match(text) if text.lstrip().startswith("analysis") else None
    return Thought(found[2].strip(), found[1].strip()) if found else None


def _tagged(text: str) -> Thought:
    said: list[str] = []
    thought: list[str] = []
    depth, at = 0, 0
    for match in _TAG.finditer(text):
        piece, at = text[at : match.start()], match.end()
        if match["open"]:
            (thought if depth else said).append(piece)
            depth = 1  # a thought that names its own tag is one thought
        elif depth:
            thought.append(piece)
            depth = 0
        else:  # the template opened the thought: all of it so far is thought
            thought[:0], said = [*said, piece], []
    (thought if depth else said).append(text[at:])
    parts = (each.strip() for each in thought)
    return Thought("".join(said).strip(), "\n".join(filter(None, parts)), cut=depth > 0)


def _channels(text: str) -> Thought:
    said: list[str] = []
    thought: list[str] = []
    marks = list(_CHANNEL.finditer(text))
    for match, after in zip(marks, [*(each.start() for each in marks[1:]), len(text)], strict=True):
        piece = _CHANNEL_END.split(text[match.end() : after])[0].strip()
        (said if match[1] == "final" else thought).append(piece)
    if not marks:
        return Thought("", text.strip(), cut=True)
    inner = _tagged("\n".join(said))
    return Thought(inner.text, "\n".join(filter(None, (*thought, inner.reasoning))), cut=not said or inner.cut)
