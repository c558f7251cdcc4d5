"""What a player is to the others, and to who measures. Imports nothing, so that the command line can name roles."""

from __future__ import annotations

from enum import Enum


class ModelRole(str, Enum):
    """What a model is to the others: it shapes its strategy (`agents.strategy`) and the simulated tier's mind."""

    LEADER = "leader"
    FOLLOWER = "follower"
    COMPETITOR = "competitor"
    TEAMMATE = "teammate"
    NEUTRAL = "neutral"


class PopulationPart(str, Enum):
    """What a player is in a population run: measured, or the company it is measured in."""

    FOCAL = "focal"
    BACKGROUND = "background"
