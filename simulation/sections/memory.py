"""The `memory` section of a scenario file: what a model's prompt holds of earlier steps of the episode."""

from __future__ import annotations

from enum import Enum

from pydantic import Field, model_validator

from agents.file_model import FileModel, Whole
from agents.findings import Finding, refuse


class MemoryPart(str, Enum):
    """What is remembered of a step.

    own: what the model wrote and chose. heard: the messages that reached it. outcomes: what the game showed it next.
    """

    OWN = "own"
    HEARD = "heard"
    OUTCOMES = "outcomes"


class SummaryConfig(FileModel):
    """When a model sums up what it remembers."""

    every: Whole = Field(ge=1)
    """After so many steps; the summary then stands in place of their lines, and the next one takes it in."""


class MemoryConfig(FileModel):
    """How many steps back a prompt reaches, and what it holds of them. By default models have no memory."""

    window: Whole = Field(default=0, ge=0)
    """Steps that are remembered; 0 is no memory."""
    of: tuple[MemoryPart, ...] = Field(default=(MemoryPart.OWN, MemoryPart.HEARD, MemoryPart.OUTCOMES), min_length=1)
    """own, heard, outcomes: what is remembered of a step."""
    summary: SummaryConfig | None = None
    """{every: k}: the model itself sums up every k steps, in a call of its own. Scripted players and people do not."""

    @model_validator(mode="after")
    def _sums_up_what_is_there(self) -> MemoryConfig:
        if self.summary is not None and self.window < self.summary.every:
            refuse([Finding(("summary", "every"), f"{self.summary.every} is above the window, {self.window}", "")])
        return self


NO_MEMORY = MemoryConfig()
"""What models have by default."""
