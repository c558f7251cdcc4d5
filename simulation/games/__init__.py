"""The games. A game's `task_type` is the name of its module: a new file here is a new game, nothing else.

Games of your own may lie in a folder anywhere: name it in the environment variable SOCIETY_GAMES (several are parted as
in PATH), or with `simulation.game_plugins.add_games`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

from agents.problems import SocietyError, nearest
from simulation.game_plugins import told_folders
from simulation.games.base import Game

SHARED = frozenset({"base", "pairs", "turns", "conformance"})
"""Modules that games share; every other module here is a game."""


@cache
def task_types() -> tuple[str, ...]:
    """The names of all games, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if name not in SHARED))


def find_game(task_type: str) -> type[Game[Any]]:
    """The game of that name. Raises SocietyError with the nearest name where there is none."""
    if task_type not in task_types():
        raise SocietyError(f"unknown task_type {task_type!r} ({nearest(task_type, task_types())})")
    game: type[Game[Any]] = importlib.import_module(f"{__name__}.{task_type}").GAME
    return game


__path__.extend(told_folders())
