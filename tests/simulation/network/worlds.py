"""Small networks for tests."""

from __future__ import annotations

from datetime import datetime

from simulation.network.clock import StepClock
from simulation.network.world import World

CLOCK = StepClock(datetime(2026, 1, 1, 8), 60)
NAMES = ("ada", "ben", "cleo", "dan")


def world_of(following: dict[int, set[int]] | None = None, users: int = 4) -> World:
    """Return an empty network; nobody follows anybody but as `following` says."""
    names = NAMES if users == len(NAMES) else tuple(f"m{i}" for i in range(users))
    return World(names, CLOCK, [(following or {}).get(user, set()) for user in range(users)])
