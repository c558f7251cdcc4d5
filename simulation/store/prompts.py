"""What models were asked, stored with the run: every prompt once, in shared lines, compressed.

    prompts/1.jsonl.gz   one file per session that played the run, in gzip

A line of a file is JSON. `{"texts": [...]}` adds texts, numbered from 0 on through the file; `{"reset": true}` starts
the numbers again; `{"asked": [...]}` lists prompts: episode, step, model_id, purpose, talk round, attempt, the messages
(role, then the number of its text, or the numbers of its lines), the number of its choices and that of its tools (both
JSON texts, or null). A system message is one text, which all models of an episode share; of other messages each line is
a text, so that a message that ten models hear is stored once.

A file is flushed with every step. What a killed process had not flushed is lost with the step in flight; the rest of
the file can be read.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request
from agents.problems import SocietyError

FOLDER = "prompts"
SUFFIX = ".jsonl.gz"
MAX_TEXTS = 20_000
"""Texts held at a time, so that memory does not grow with the run."""
_GZIP = 31  # zlib's window bits for a gzip header and trailer
_LEVEL = 1
_CHUNK = 1 << 16


class StoredPrompt(NamedTuple):
    """One prompt as it was asked.

    Args:
        key: The call it belongs to.
        messages: Its chat messages.
        choices: The answers allowed, empty for a free text.
        tools: The tools offered as JSON, empty without any.
    """

    key: CallKey
    messages: tuple[ChatMessage, ...]
    choices: tuple[str, ...] = ()
    tools: str = ""

    def part(self, role: str) -> str:
        """Return the messages of a role as one text; empty where there is none."""
        return "\n\n".join(message.content for message in self.messages if message.role == role)

    @property
    def text(self) -> str:
        """The whole prompt as one text, each message under its role."""
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in self.messages)


class _Texts(dict[Any, int]):
    """Numbers of texts by text; a text that is looked up for the first time gets the next number."""

    def __init__(self) -> None:
        super().__init__()
        self.new: list[str] = []

    def __missing__(self, text: Any) -> int:
        number = self[text] = len(self)
        self.new.append(text if isinstance(text, str) else orjson.dumps(text).decode())
        return number


class PromptLog:
    """Appends prompts to a new file in a run's `prompts` folder; without prompts no file is made.

    Args:
        run: The run's directory.
    """

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER
        self._descriptor = -1
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._texts = _Texts()
        self._asked: list[object] = []

    def add(self, request: Request) -> None:
        """Note what `request` asks; nothing is written before `flush`."""
        texts, key = self._texts, request.key
        messages = [
            (message.role, texts[message.content])
            if message.role == "system"
            else (message.role, [texts[line] for line in message.content.split("\n")])
            for message in request.messages
        ]
        self._asked.append(
            (
                key.episode,
                key.step,
                key.model_id,
                key.purpose.value,
                key.talk_round,
                key.attempt,
                messages,
                texts[request.choices] if request.choices else None,
                texts[orjson.dumps(request.tools).decode()] if request.tools else None,
            )
        )

    def flush(self) -> None:
        """Hand everything noted so far to the system. Raises OSError."""
        if not self._asked:
            return
        lines = [orjson.dumps({"texts": self._texts.new}), orjson.dumps({"asked": self._asked})]
        self._asked.clear()
        self._texts.new.clear()
        if len(self._texts) > MAX_TEXTS:
            self._texts = _Texts()
            lines.append(b'{"reset":true}')
        if self._descriptor < 0:
            self._descriptor = self._open()
        packed = self._stream.compress(b"\n".join(lines) + b"\n")
        self._write(packed + self._stream.flush(zlib.Z_SYNC_FLUSH))

    def close(self) -> None:
        """Write what is left and close the file. Raises OSError."""
        self.flush()
        if self._descriptor >= 0:
            self._write(self._stream.flush(zlib.Z_FINISH))
            os.fsync(self._descriptor)
        self.abandon()

    def abandon(self) -> None:
        """Close the file without writing more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> int:
        self._folder.mkdir(exist_ok=True)
        number = 1 + max((_number(path) for path in self._folder.glob(f"*{SUFFIX}")), default=0)
        return os.open(self._folder / f"{number}{SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def read_prompts(run: Path) -> dict[CallKey, StoredPrompt]:
    """Return the prompts of a run by call; empty where the run stored none.

    Raises:
        SocietyError: A file cannot be read.
    """
    found: dict[CallKey, StoredPrompt] = {}
    for path in sorted((run / FOLDER).glob(f"*{SUFFIX}"), key=_number):
        try:
            found.update((prompt.key, prompt) for prompt in _prompts_in(path))
        except (ValueError, KeyError, IndexError, TypeError, OSError, zlib.error) as error:
            raise SocietyError(f"{path} cannot be read: {error}") from error
    return found


def _number(path: Path) -> int:
    name = path.name.removesuffix(SUFFIX)
    return int(name) if name.isascii() and name.isdecimal() else 0


def _prompts_in(path: Path) -> Iterator[StoredPrompt]:
    texts: list[str] = []
    for line in _lines_in(path):
        body = orjson.loads(line)
        if "reset" in body:
            texts = []
        elif "texts" in body:
            texts += body["texts"]
        else:
            yield from (_prompt(row, texts) for row in body["asked"])


def _prompt(row: list[Any], texts: list[str]) -> StoredPrompt:
    episode, step, model_id, purpose, talk_round, attempt, messages, choices, tools = row
    return StoredPrompt(
        CallKey(episode, step, model_id, Purpose(purpose), talk_round, attempt),
        tuple(
            ChatMessage(role, texts[parts] if isinstance(parts, int) else "\n".join(texts[part] for part in parts))
            for role, parts in messages
        ),
        () if choices is None else tuple(orjson.loads(texts[choices])),
        "" if tools is None else texts[tools],
    )


def _lines_in(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a gzip file, also of one whose end was lost."""
    stream, rest = zlib.decompressobj(_GZIP), b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            *lines, rest = (rest + stream.decompress(chunk)).split(b"\n")
            yield from lines
