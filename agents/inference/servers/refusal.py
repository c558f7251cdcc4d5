"""One kind of refusal of a server, and what an answer of that kind means."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.inference.adapter_config import fitting_vllm_rank
from agents.inference.fault import Fault

_FLAGS = re.IGNORECASE | re.DOTALL


@dataclass(frozen=True)
class KnownWords:
    """One kind of refusal.

    Args:
        key: Its name, for code that reacts to it.
        fault: Whose fault it is.
        cause: What is wrong.
        fix: What to do.
        words: Regular expressions; one of them is in what the server says. Case does not count.
        statuses: The HTTP statuses with which it counts; all if empty.
        lasting: Whether the same call would fail again.
        names: Whether the server's words must also contain the adapter's name.
    """

    key: str
    fault: Fault
    cause: str
    fix: str
    words: tuple[str, ...]
    statuses: tuple[int, ...] = ()
    lasting: bool = True
    names: bool = False

    def fits(self, status: int, message: str, adapter: str) -> re.Match[str] | None:
        """Return the match in what a server says, None if it says something else."""
        if (self.statuses and status not in self.statuses) or (self.names and not names(message, adapter)):
            return None
        return next((found for each in self.words if (found := re.search(each, message, _FLAGS))), None)

    def explained(self, found: re.Match[str], adapter: str) -> Explanation:
        """Return what an answer means in which `fits` found this match."""
        values = {"adapter": adapter or "the adapter", "field": "", **_numbers(found)}
        return Explanation(self.key, self.fault, self.cause.format(**values), self.fix.format(**values), self.lasting)


@dataclass(frozen=True)
class Explanation:
    """What a refusal means: as in `KnownWords`, with the numbers of this one."""

    key: str
    fault: Fault
    cause: str
    fix: str
    lasting: bool

    def __str__(self) -> str:
        return f"cause: {self.cause}; fix: {self.fix}"


def names(message: str, adapter: str) -> bool:
    """Return whether a server's words contain an adapter's name, as a word of its own."""
    return bool(adapter) and re.search(rf"(?<![\w-]){re.escape(adapter)}(?![\w-])", message) is not None


def _numbers(found: re.Match[str]) -> dict[str, str]:
    groups = {name: value for name, value in found.groupdict().items() if value is not None}
    rank = groups.get("rank", "")
    return {**groups, "allowed": str(fitting_vllm_rank(int(rank)) or rank) if rank else ""}
