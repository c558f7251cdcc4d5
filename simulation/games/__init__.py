"""The games: pure rules over finite actions, one module per game.

The name of a game's module is its `task_type`: a new file here is a new game, and nothing else changes. Games of your
own can be in any folder: name it in the environment variable SOCIETY_GAMES (several folders are separated as in PATH),
or call `simulation.game_plugins.add_games`.

May import `agents.players` (with the language and the errors of `agents`) and `simulation.seats`. The games themselves
do no I/O and draw from no generator but the one they are given.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import traceback
from functools import cache
from pathlib import Path
from typing import Any

from agents.problems import SocietyError, nearest
from simulation.games.base import Game

FOLDERS_VARIABLE = "SOCIETY_GAMES"
"""The environment variable that names folders with games of a user's own."""
SHARED = frozenset(
    ["base", "conformance", "equilibria", "measures", "noise", "normal_form", "pairs", "score", "tally", "turns"]
)
"""Modules that games share; every other module here is a game."""


@cache
def task_types() -> tuple[str, ...]:
    """Return the names of all games, sorted."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if name not in SHARED))


def find_game(task_type: str) -> type[Game[Any]]:
    """Return the class of the game called `task_type`.

    Raises:
        SocietyError: There is no such game, and the message names the nearest one; or its file has a fault, and the
            message names the file, the line and the fix.
    """
    if task_type not in task_types():
        raise SocietyError(f"unknown task_type {task_type!r} ({nearest(task_type, task_types())})")
    name = f"{__name__}.{task_type}"
    try:
        game = getattr(importlib.import_module(name), "GAME", None)
    except Exception as error:
        raise SocietyError(f"{_place(name, error)}: the game cannot be loaded: {_text_of(error)}") from error
    if not (isinstance(game, type) and issubclass(game, Game)):
        raise SocietyError(
            f"{_file(name)}: defines no game; end it with GAME = YourGame, a subclass of simulation.Game"
        )
    if game.__abstractmethods__:
        lacking = ", ".join(sorted(game.__abstractmethods__))
        raise SocietyError(
            f"{_file(name)}: the game {game.__name__} lacks {lacking}; see the docstring of simulation.Game"
        )
    return game


def _file(module: str) -> str:
    """Return the file of a module."""
    found = importlib.util.find_spec(module)
    return str(found.origin) if found else module


def _place(module: str, error: Exception) -> str:
    """Return the file of a module, with the line of it at which an error was raised."""
    file = _file(module)
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{file}:{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{file}:{lines[-1]}" if lines else file


def _text_of(error: BaseException) -> str:
    kind = type(error).__name__
    return f"{kind}: {error.msg if isinstance(error, SyntaxError) else error}".removesuffix(": ")


def fault_in_own_game(error: BaseException) -> str:
    """Return where a game of a user's own raised an error, and which; empty where none is on the error's way."""
    folders = tuple(f"{folder}{os.sep}" for folder in list(__path__)[1:])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if folders and frame.filename.startswith(folders):
            return f"{frame.filename}:{frame.lineno}: the game failed in {frame.name}: {_text_of(error)}"
    return ""


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
