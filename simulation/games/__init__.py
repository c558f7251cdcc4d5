"""The games: pure rules over finite actions, one module per game.

The name of a game's module is its `task_type`: a new file here is a new game, and nothing else changes. Games of your
own can be in any folder: name it in the environment variable SOCIETY_GAMES (several folders are separated as in PATH),
or call `simulation.game_plugins.add_games`.

May import `agents.players` (with the language and the errors of `agents`) and `simulation.seats`. The games themselves
do no I/O and draw from no generator but the one they are given.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from functools import cache
from pathlib import Path
from typing import Any

from agents.problems import SocietyError, nearest
from simulation.games.base import Game

FOLDERS_VARIABLE = "SOCIETY_GAMES"
"""The environment variable that names folders with games of a user's own."""
SHARED = frozenset({"base", "pairs", "turns", "conformance", "equilibria", "measures", "normal_form", "tally"})
"""Modules that games share; every other module here is a game."""


@cache
def task_types() -> tuple[str, ...]:
    """Return the names of all games, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if name not in SHARED))


def find_game(task_type: str) -> type[Game[Any]]:
    """Return the class of the game called `task_type`.

    Raises:
        SocietyError: There is no such game; the message names the nearest one.
    """
    if task_type not in task_types():
        raise SocietyError(f"unknown task_type {task_type!r} ({nearest(task_type, task_types())})")
    game: type[Game[Any]] = importlib.import_module(f"{__name__}.{task_type}").GAME
    return game


def own_folders() -> list[str]:
    """Return the folders that the environment names, as absolute paths.

    Raises:
        SocietyError: One of them is not a folder.
    """
    return [games_folder(folder) for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if folder]


def games_folder(folder: str | Path) -> str:
    """Return `folder` as an absolute path.

    Raises:
        SocietyError: It is not a folder.
    """
    path = Path(folder).resolve()
    if not path.is_dir():
        raise SocietyError(f"{folder} is not a folder with games ({FOLDERS_VARIABLE})")
    return str(path)


__path__.extend(own_folders())
