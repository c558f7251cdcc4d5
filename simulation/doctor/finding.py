"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """The result of a check. With a note or a warning a run is possible, with a failure it is not.

    A note is about a part that the run does not need.
    """

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Diagnosis:
    """One finding: what was checked (`area`, `subject`), the result, and the fix.

    `remedy` is a command or a sentence; it is empty if there is nothing to fix.
    """

    area: str
    subject: str
    verdict: Verdict
    finding: str
    remedy: str = ""


def ok(area: str, subject: str, finding: str) -> Diagnosis:
    """Return a finding without a problem."""
    return Diagnosis(area, subject, Verdict.OK, finding)


def note(area: str, subject: str, finding: str) -> Diagnosis:
    """Return a finding about a part that the run does not need."""
    return Diagnosis(area, subject, Verdict.NOTE, finding)


def warning(area: str, subject: str, finding: str, remedy: str) -> Diagnosis:
    """Return a problem with which a run is still possible."""
    return Diagnosis(area, subject, Verdict.WARNING, finding, remedy)


def failure(area: str, subject: str, finding: str, remedy: str) -> Diagnosis:
    """Return a problem that makes a run impossible."""
    return Diagnosis(area, subject, Verdict.FAILURE, finding, remedy)
