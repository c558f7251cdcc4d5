"""Where works are played, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Engine(str, Enum):
    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True)
class Workers:
    """Who plays works: how many at a time, and where."""

    jobs: int = 1
    engine: Engine = Engine.LOCAL


ONE_PROCESS = Workers()
