"""The `training.gate` section of a scenario file: what a new version must show before it is promoted."""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated

from pydantic import Field

from agents.file_model import FileModel, Real, Text, Whole


class OnReject(str, Enum):
    """Where a learner goes on from after a refusal: `back` from the incumbent, `stay` from the refused version."""

    BACK = "back"
    STAY = "stay"


class GateConfig(FileModel):
    """When and how a learner's latest version is compared with the one that was promoted last."""

    every: Whole = Field(default=5, ge=1)
    """A gate follows every so many updates, and the last."""
    held_out: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Policies that no learner meets in the training; one of them plays all other rows at a time."""
    delta: Real = Field(gt=0)
    """Points a step: the gain that the gate should see, and what a version may lose at most with a held-out partner."""
    error: Real = Field(default=0.05, gt=0, le=0.5)
    """The chance that any gate of the training promotes a version that is no better."""
    episodes: Whole = Field(default=32, ge=6)
    """Episodes of each task with each partner, for candidate and incumbent alike; exact evidence needs none."""
    max_exploitability: Real | None = Field(default=None, ge=0)
    """Points a step that a best responder may earn above the learner, in silent games with few prompts; null: any."""
    max_invalid: Real = Field(default=0.02, ge=0, le=1)
    """The largest share of invalid decisions."""
    on_reject: OnReject = OnReject.STAY
    """back or stay: where a refused learner goes on from."""

    def is_due(self, update: int, updates: int) -> bool:
        """Return whether a gate follows an update of a training of `updates`."""
        return update > 0 and (update % self.every == 0 or update == updates)


def decision_error(error: float, decision: int) -> float:
    """Return the error that a decision may spend: over all decisions, from 1, they add up to `error`.

    Source:
        The sum of 1 / k^2 is pi^2 / 6 (Euler); Boole's inequality for the sum over decisions.
    """
    return error * 6 / (math.pi**2 * decision**2)


def least_pairs(error: float) -> int:
    """Return the fewest pairs that can show anything at an error: n signs are all positive by chance in 1 of 2^n."""
    return math.ceil(math.log2(1 / error))
