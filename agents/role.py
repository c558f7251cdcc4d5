"""Roles of models, and their part in a population run. Imports nothing, so that the command line can list roles."""

from __future__ import annotations

from enum import Enum


class ModelRole(str, Enum):
    """What a model is to the others. It decides the strategy (`agents.strategy`) and the simulated tier's policy."""

    LEADER = "leader"
    FOLLOWER = "follower"
    COMPETITOR = "competitor"
    TEAMMATE = "teammate"
    NEUTRAL = "neutral"


class PopulationPart(str, Enum):
    """What a player is in a population run: measured (focal), or one of those around it (background)."""

    FOCAL = "focal"
    BACKGROUND = "background"
