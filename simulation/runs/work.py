"""What a worker plays, how it reports that it stopped, and when too many workers have died."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol, TypeVar

from agents.problems import SocietyError
from simulation.runs.runner import RunStoppedError

notices = logging.getLogger("society.notice")


Stop = tuple[Path, str, str, bool]
"""The run directory of a work that stopped, why, what to do, and whether it would stop again."""
DEATHS = 3
"""How many workers (locally: pools of them) may die in a row before a work is finished."""


class Work(Protocol):
    """One run to be played: small, hashable, and the same in another process."""

    @property
    def place(self) -> Path:
        """Return the folder of its run."""

    def play(self) -> object:
        """Play the run, finish it or find it finished. Raises RunStoppedError."""


AnyWork = TypeVar("AnyWork", bound=Work)


class Deaths:
    """Counts worker deaths since a work was last finished, and gives up after too many."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def reset(self) -> None:
        self._in_a_row = 0

    def count(self) -> None:
        """Count a worker's death; its work is retried. Raises SocietyError for one death too many."""
        self._in_a_row += 1
        if self._in_a_row == DEATHS:
            raise SocietyError(f"{DEATHS} worker processes died in a row and no run was finished")
        notices.info("a worker process died; its run is being retried")


def attempt(work: Work) -> Stop | None:
    """Play a work; return where and why it stopped, None where it finished. (The error itself cannot be pickled.)"""
    try:
        work.play()
    except RunStoppedError as error:
        return error.path, error.cause, error.advice, error.repeats
    except SocietyError as error:
        return work.place, str(error), "", error.repeats
    return None


def check(stopped: Stop | None) -> None:
    """Raise RunStoppedError for a work that stopped."""
    if stopped is not None:
        path, cause, advice, repeats = stopped
        raise RunStoppedError(path, cause, advice, repeats=repeats)
