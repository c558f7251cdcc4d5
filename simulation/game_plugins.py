"""Folders with games of a user's own: told by the environment, so that every process of a run knows them."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from agents.problems import SocietyError

FOLDERS = "SOCIETY_GAMES"


def told_folders() -> list[str]:
    """The folders named in the environment. Raises SocietyError where one is not there."""
    return [_folder(each) for each in os.environ.get(FOLDERS, "").split(os.pathsep) if each]


def add_games(folder: str | Path) -> None:
    """Have every module in `folder` be a game, here and in processes begun from here.

    A shipped game keeps its name. Raises SocietyError where there is no such folder.
    """
    from simulation import games

    path, told = _folder(folder), told_folders()
    if path not in told:
        os.environ[FOLDERS] = os.pathsep.join([*told, path])
    if path not in games.__path__:
        games.__path__.append(path)
    games.task_types.cache_clear()
    importlib.invalidate_caches()


def _folder(folder: str | Path) -> str:
    path = Path(folder).resolve()
    if not path.is_dir():
        raise SocietyError(f"{folder} is no folder of games ({FOLDERS})")
    return str(path)
