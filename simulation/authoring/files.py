"""What the commands share that write or check a user's own files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.findings import Finding
from agents.problems import InvalidFileError, Problem, SocietyError, UsageError, nearest
from simulation.store.files import replace_file

if TYPE_CHECKING:
    from agents.inference.backend import InferenceSettings
    from agents.roster import Roster
    from agents.roster_layers import ComposedRoster
    from simulation.scenario import Scenario

logger = logging.getLogger("society.adapters")


class CheckedFile(NamedTuple):
    """A file without mistakes: what it is, in words, and what is legal in it but may surprise."""

    kind: str
    warnings: tuple[str, ...] = ()


def check_file(name: str) -> CheckedFile:
    """Check a file; its kind is "roster", "scenario", or a scenario with the number of its sweep's runs.

    Args:
        name: A path, or the name of a shipped roster or scenario.

    Returns:
        What the file is ("roster", "scenario", or a scenario with the number of its sweep's runs), and warnings.

    Raises:
        InvalidFileError: The file has mistakes; the error has all of them.
    """
    from agents.roster import Roster, shipped_rosters
    from agents.roster_rules import look_alikes
    from simulation.plan import Plan
    from simulation.plan_warnings import plan_warnings

    if looks_like_roster(name, shipped_rosters()):
        roster = Roster.load(name)
        _check_adapters(name, roster)
        return CheckedFile("roster", tuple(look_alikes(row.model_id for row in roster.expand())))
    plan = Plan.load(name)
    _refuse_missing_models(name, plan.scenario)
    folder = plan.path.parent if plan.path else Path()
    _check_adapters(str(plan.scenario.roster), plan.roster, folder, plan.scenario.inference.settings())
    if plan.scenario.sweep:
        from simulation.runs.sweep import sweep_arms

        return CheckedFile(f"scenario, a sweep of {len(sweep_arms(name))} runs", plan_warnings(plan))
    return CheckedFile("scenario", plan_warnings(plan))


def _refuse_missing_models(file: str, scenario: Scenario) -> None:
    """Raise InvalidFileError where a model that the scenario names by its folder is not there."""
    from agents.inference.embedded.adapters import EmbeddedBase

    named = {
        "inference.embedded_model": scenario.inference.embedded_model,
        "training.base_model": scenario.training and scenario.training.base_model,
    }
    found = {key: EmbeddedBase(model).problem for key, model in named.items() if model}
    problems = [Problem(file, 0, key, problem) for key, problem in found.items() if problem]
    if problems:
        raise InvalidFileError(problems)


def _check_adapters(
    name: str, roster: Roster, folder: Path | None = None, settings: InferenceSettings | None = None
) -> None:
    """Check the adapter folders of a roster's rows; log what the user should know of those that can be used.

    Args:
        name: The roster's file or shipped name.
        roster: What is in it.
        folder: Where a relative `name` starts; the working directory by default.
        settings: Which tiers may answer; the defaults if None.

    Raises:
        InvalidFileError: A folder holds an adapter of another base model, or one that no tier of the run can load.
    """
    from agents.adapter_checks import check_rows

    checks = [each for each in check_rows(roster.models, roster.base_model, settings) if each.error or each.warnings]
    if not checks:
        return
    files = _roster_files(name, folder)
    problems = []
    for check in checks:
        if check.error:
            message = f"{check.row.adapter} cannot be used: {check.error}"
            problems.append(files.problem(Finding(("models", check.index, "adapter"), message)))
        for text in check.warnings:
            logger.warning("%s", files.problem(Finding(("models", check.index), text)))
    if problems:
        raise InvalidFileError(problems)


def _roster_files(name: str, folder: Path | None) -> ComposedRoster:
    """Return the files of a roster that was read before; they know the line of every row."""
    from agents.roster import FOLDER
    from agents.roster_layers import compose_roster
    from agents.yaml_file import find_file, shipped_files

    shipped = shipped_files(FOLDER)
    return compose_roster(find_file(name, "roster", shipped, folder), shipped)


def looks_like_roster(name: str, shipped: tuple[str, ...]) -> bool:
    """Return True for a file with `models` or `extends`, and for a shipped roster's name that no scenario has."""
    from agents.yaml_file import read_yaml
    from simulation.scenario import shipped_scenarios

    path = Path(name)
    if not path.exists():
        return name in shipped and name not in shipped_scenarios()
    return bool({"models", "extends"} & read_yaml(path).data.keys())


def refuse_existing(path: Path) -> None:
    """Raise SocietyError if `path` exists."""
    if path.exists():
        raise SocietyError(f"{path} exists; choose another name")


def refuse_unknown(option: str, value: str, known: list[str]) -> None:
    """Raise UsageError, with the nearest known value, if `value` is not in `known`."""
    if value not in known:
        raise UsageError(f"{option} {value}: {nearest(value, known)}")


def write_checked(path: Path, text: str) -> None:
    """Write `text` to the new file `path` and check it. A file with mistakes is removed again.

    Raises:
        SocietyError: The file exists already, or cannot be written.
        InvalidFileError: The text has mistakes.
    """
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
    """Write a JSON Schema to `path` and return its name, by which a file in the same folder refers to it.

    Raises:
        InvalidFileError: The file cannot be written.
    """
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    try:
        replace_file(path, text.encode())
    except OSError as error:
        raise InvalidFileError([Problem(str(path), 0, "", f"cannot be written: {error.strerror}")]) from None
    return path.name
