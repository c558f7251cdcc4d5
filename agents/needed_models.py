"""The models that a roster asks servers for: what probing and doctor look at."""

from __future__ import annotations

from collections.abc import Iterable

from agents.inference.servers.proof import NeededModel
from agents.roster import ModelConfig


def needed_models(rows: Iterable[ModelConfig], base_model: str | None, *, thinking: bool) -> tuple[NeededModel, ...]:
    """Return the models that roster rows ask for; rows without a model ask for none.

    Args:
        rows: The rows.
        base_model: The roster's base model.
        thinking: Whether the scenario tells chat templates to think, or not to.
    """
    return tuple(
        NeededModel(row.model_name, row.base_model or base_model, row.endpoint, thinking or row.thinking is not None)
        for row in rows
        if row.model_name
    )
