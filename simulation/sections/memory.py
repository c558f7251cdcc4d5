"""The `memory` section of a scenario file: what a model's prompt holds of earlier steps of the episode."""

from __future__ import annotations

from enum import Enum

from pydantic import Field

from agents.file_model import FileModel, Whole


class MemoryPart(str, Enum):
    """What is remembered of a step.

    own: what the model wrote and chose. heard: the messages that reached it. outcomes: what the game showed it next.
    """

    OWN = "own"
    HEARD = "heard"
    OUTCOMES = "outcomes"


class MemoryConfig(FileModel):
    """How many steps back a prompt reaches, and what it holds of them. By default models have no memory."""

    window: Whole = Field(default=0, ge=0)
    """Steps that are remembered; 0 is no memory."""
    of: tuple[MemoryPart, ...] = Field(default=(MemoryPart.OWN, MemoryPart.HEARD, MemoryPart.OUTCOMES), min_length=1)
    """own, heard, outcomes: what is remembered of a step."""


NO_MEMORY = MemoryConfig()
"""What models have by default."""
