"""The `training.opponents` section: whom a learner meets, by shares of an update's episodes."""

from __future__ import annotations

from enum import Enum

from pydantic import Field, model_validator

from agents.file_model import FileModel, Real, Text
from agents.findings import Finding, refuse


class PastChoice(str, Enum):
    """How an earlier version is drawn: each as likely, or rather those that the learner earned least against."""

    UNIFORM = "uniform"
    PRIORITISED = "prioritised"


class OpponentsConfig(FileModel):
    """Shares of an update's episodes; they are divided by their sum."""

    latest: Real = Field(default=1.0, ge=0, le=1000)
    """Every learner plays its latest version, and all learn."""
    past: Real = Field(default=0.0, ge=0, le=1000)
    """One learner learns; every other learner plays one of its earlier versions, a new draw in each update."""
    scripted: Real = Field(default=0.0, ge=0, le=1000)
    """One learner learns; a policy of `policies` plays every other row, a new draw in each update."""
    policies: tuple[Text, ...] = ()
    """The policies of `scripted`."""
    past_by: PastChoice = PastChoice.UNIFORM
    """uniform: each earlier version is as likely; prioritised: rather those that the learner earned least against."""

    @model_validator(mode="after")
    def _has_opponents(self) -> OpponentsConfig:
        if self.latest + self.past + self.scripted <= 0:
            refuse(
                [Finding((), "names no opponent: every share is 0", "give latest, past or scripted a share above 0")]
            )
        if self.scripted and not self.policies:
            refuse([Finding(("policies",), "is missing", "name the policies that `scripted` draws from")])
        if self.policies and not self.scripted:
            refuse([Finding(("scripted",), "is 0, so `policies` are never met", "give scripted a share")])
        return self
