"""Add games of a user's own while the program runs.

`simulation.games` reads the folders that the environment variable SOCIETY_GAMES names. `add_games` adds a folder to
that variable, so that processes which this one starts find its games too.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from simulation import games


def add_games(folder: str | Path) -> None:
    """Make every module in `folder` a game, in this process and in the processes it starts.

    A shipped game keeps its name: a module of the same name in `folder` is ignored.

    Args:
        folder: A folder with one module per game.

    Raises:
        SocietyError: `folder` is not a folder.
    """
    path, folders = games.games_folder(folder), games.own_folders()
    if path not in folders:
        os.environ[games.FOLDERS_VARIABLE] = os.pathsep.join([*folders, path])
    if path not in games.__path__:
        games.__path__.append(path)
    games.task_types.cache_clear()
    importlib.invalidate_caches()
