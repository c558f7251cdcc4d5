"""Problems of files that users wrote: all of a file at once, each with its place and a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar


class SocietyError(Exception):
    """The root of every error this project raises on purpose. Its text is written for the user.

    Attributes:
        repeats: True where the same try would fail in the same way, so that something must be changed first.
    """

    repeats: bool = False


class StopRequestedError(BaseException):
    """Ends the work of a thread, because another thread wants it to end; Ctrl-C itself reaches the main thread only.

    It is no Exception, so that no library takes it for a failure of its own and goes on.
    """


class UsageError(SocietyError):
    """An option or argument that cannot be used; the command ends with exit code 2."""

    repeats = True


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in one place of one file.

    `line` counts from 1; 0 means the file as a whole. `where` is the dotted path of the key.
    """

    file: str
    line: int
    where: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        key = f"{self.where}: " if self.where else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}: {key}{self.message}{hint}"


class InvalidFileError(SocietyError):
    """A roster or scenario that cannot be used; `problems` has every mistake found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def nearest(value: object, known: Sequence[str]) -> str:
    """Return a suggestion for a misspelt `value`: the closest of `known`, else the first twenty of them."""
    close = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    return "known: " + ", ".join(known[:20]) + more


Member = TypeVar("Member", bound=Enum)


def member_of(kind: type[Member], value: Member | str, name: str) -> Member:
    """Return the member of an enum that a caller names by a plain string, or gives as it is.

    Args:
        kind: The enum; its values are texts.
        value: A member or its value.
        name: What the value is called in the error, for example `--engine` or `language`.

    Raises:
        UsageError: There is no such member; the message names the nearest.
    """
    known = [str(each.value) for each in kind]
    text = value.value if isinstance(value, Enum) else value
    if text not in known:
        raise UsageError(f"{name} {text}: {nearest(text, known)}")
    return kind(text)
