"""What every benchmark uses: turns, spreads of repetitions, facts about the machine, figures in a page."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import TypeVar

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
T = TypeVar("T")


@dataclass(frozen=True)
class Spread:
    """The minimum, median and maximum of repetitions."""

    least: float
    middle: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(min(values), median(values), max(values))

    def __str__(self) -> str:
        return f"{self.least:.3g} / {self.middle:.3g} / {self.most:.3g}"


def turns(contenders: Sequence[T], repetitions: int) -> Iterator[tuple[int, T]]:
    """Yield (repetition, contender): all contenders in each repetition, each of them first equally often.

    Other work on the machine then affects all of them alike.
    """
    for repetition in range(repetitions):
        start = repetition % len(contenders)
        for contender in (*contenders[start:], *contenders[:start]):
            yield repetition, contender


def machine() -> dict[str, object]:
    """Return the facts about the machine that belong to every figure."""
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str:
    """Return the measured commit, with + if files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no git"


def between_marks(text: str, made: str) -> str:
    """Return a page with `made` between its marks of figures, in place of what is there."""
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not (begins and ends):
        raise ValueError(f"the page has no {BEGIN} followed by {END}")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"
