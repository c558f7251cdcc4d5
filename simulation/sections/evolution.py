"""The section `training.evolution`: the adapters that are mixed, and how mixtures are tried."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agents.file_model import FileModel, Real, Text, Whole


class EvolutionConfig(FileModel):
    """What a search over mixtures of adapters tries in an update."""

    adapters: Annotated[tuple[Text, ...], Field(min_length=1)]
    """The adapters that are mixed: names of shipped ones, or folders."""
    candidates: Whole = Field(default=6, ge=2, le=1000, multiple_of=2)
    """Mixtures that are tried in an update, an even number; the present one is played too."""
    spread: Real = Field(default=0.3, gt=0, le=10)
    """The standard deviation of a weight among the first candidates. The first weights are equal, and sum to 1."""
    company: tuple[Text, ...] = ()
    """Policies that play every other row, one after the other; without any, the roster's rows play."""
