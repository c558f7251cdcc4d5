"""What the commands that write and check a user's own files share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agents.problems import InvalidFileError, Problem, SocietyError, UsageError, nearest
from simulation.store.files import replace_file


def check_file(name: str) -> str:
    """What a valid file is: "scenario" or "roster". Raises InvalidFileError with every mistake."""
    from agents.roster import Roster, shipped_rosters
    from simulation.plan import Plan

    if looks_like_roster(name, shipped_rosters()):
        Roster.load(name)
        return "roster"
    if Plan.load(name).scenario.sweep:
        from simulation.runs.sweep import sweep_arms

        return f"scenario, a sweep of {len(sweep_arms(name))} runs"
    return "scenario"


def looks_like_roster(name: str, shipped: tuple[str, ...]) -> bool:
    """A roster has `models` or extends one that has; a bare name is a roster where no scenario goes by it."""
    from agents.yaml_file import read_yaml
    from simulation.scenario import shipped_scenarios

    path = Path(name)
    if not path.exists():
        return name in shipped and name not in shipped_scenarios()
    return bool({"models", "extends"} & read_yaml(path).data.keys())


def refuse_existing(path: Path) -> None:
    if path.exists():
        raise SocietyError(f"{path} exists; choose another name")


def refuse_unknown(option: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise UsageError(f"{option} {value}: {nearest(value, known)}")


def write_checked(path: Path, text: str) -> None:
    """Write `text` to the new file `path` and check it; what would not run is not left behind."""
    refuse_existing(path)
    try:
        path.write_text(text, encoding="utf-8")
        check_file(str(path))
    except OSError as error:
        raise SocietyError(f"{path}: cannot be written: {error.strerror}") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_schema(path: Path, schema: dict[str, Any]) -> str:
    """Write a schema beside `path`'s file; how that file names it."""
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise InvalidFileError([Problem(str(path), 0, "", f"cannot be written: {error.strerror}")]) from None
    return path.name
