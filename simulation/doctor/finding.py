"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """A warning leaves a run possible, a failure does not."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Diagnosis:
    """What was looked at (`area`, `subject`), how it is, and what to do: a command or a sentence, empty when ok."""

    area: str
    subject: str
    verdict: Verdict
    finding: str
    remedy: str = ""


def ok(area: str, subject: str, finding: str) -> Diagnosis:
    return Diagnosis(area, subject, Verdict.OK, finding)


def warning(area: str, subject: str, finding: str, remedy: str) -> Diagnosis:
    return Diagnosis(area, subject, Verdict.WARNING, finding, remedy)


def failure(area: str, subject: str, finding: str, remedy: str) -> Diagnosis:
    return Diagnosis(area, subject, Verdict.FAILURE, finding, remedy)
