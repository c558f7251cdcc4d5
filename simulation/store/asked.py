"""Answers to questions asked after the play: `interviews.jsonl` beside the event log, an `InterviewAnswered` a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from agents.problems import SocietyError
from simulation.store.files import translating_os_errors
from simulation.store.interviews import InterviewAnswered
from simulation.store.log import EventLog, decode

FILE = "interviews.jsonl"


def add_answers(run: Path, answers: Iterable[InterviewAnswered]) -> None:
    """Append answers to a run's file. Raises SocietyError where it cannot be written."""
    with translating_os_errors(run / FILE), EventLog(run / FILE) as log:
        for answer in answers:
            log.append(answer)


def read_answers(run: Path) -> Iterator[InterviewAnswered]:
    """Yield the answers beside a run, oldest first; a torn last line is left out.

    Raises:
        SocietyError: A line is no answer.
    """
    file = run / FILE
    if not file.exists():
        return
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return
        try:
            answer = decode(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SocietyError(f"{file}:{number}: not an answer of this version: {error}") from error
        if isinstance(answer, InterviewAnswered):
            yield answer
