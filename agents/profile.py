"""What OASIS's database says about a model: its user's bio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.language import text_in

if TYPE_CHECKING:
    from agents.roster import ModelConfig


def bio(config: ModelConfig) -> str:
    """Return a roster row in a line: role, team, specialization, and who plays it."""
    team = f", team {config.team_id}" if config.team_id else ""
    player = f"adapter {config.model_name}" if config.model_name else config.played_by
    return f"{config.role.value}{team}, {text_in(config.specialization)}, {player}"
