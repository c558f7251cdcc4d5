"""`Plan`: a scenario with its roster, checked against each other. A run carries out a plan.

`make_plan` is the one way from what a user gives (a file, a shipped name, an object, options) to a plan.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.file_model import plain_value
from agents.findings import dotted
from agents.inference.provenance import FALLBACK_ORDER, Tier
from agents.problems import InvalidFileError, Problem, SocietyError, UsageError, nearest
from agents.roster import Roster
from simulation.scenario import Change, Scenario, ScenarioSource, read_scenario, set_changes
from simulation.scenario_rules import plan_findings

Kept = TypeVar("Kept", bound=BaseModel)
AUTO = "auto"


def load_from_manifest(model: type[Kept], manifest: Mapping[str, Any], name: str) -> Kept:
    """Return the part `name` of a run's manifest as a `model`.

    Raises:
        SocietyError: The part is missing or not valid.
    """
    try:
        return model.model_validate(manifest.get(name))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"])
        raise SocietyError(f"the run's manifest.json has no usable {name}: {place}: {first['msg']}") from error


@dataclass(frozen=True)
class Plan:
    """A scenario and the roster that plays it.

    Args:
        scenario: What is played.
        roster: Who plays.
        path: The scenario's file, if it has one.

    Raises:
        InvalidFileError: The two do not fit each other.
    """

    scenario: Scenario
    roster: Roster
    path: Path | None = None

    def __post_init__(self) -> None:
        data, roster = self.scenario.model_dump(mode="json"), self.roster.model_dump(mode="json")
        problems = [
            Problem(self.scenario.name, 0, dotted(each.path), each.message, each.suggestion)
            for each in plan_findings(data, roster)
        ]
        if problems:
            raise InvalidFileError(problems)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Plan:
        """Return the plan in a run's manifest.

        Raises:
            SocietyError: The manifest holds no valid plan.
        """
        return cls(load_from_manifest(Scenario, manifest, "scenario"), load_from_manifest(Roster, manifest, "roster"))

    @classmethod
    def load(cls, path_or_name: str | Path, overrides: Mapping[str, object] | None = None) -> Plan:
        """Return the plan in a file, or in the shipped scenario of that name.

        Args:
            path_or_name: The scenario's file or shipped name.
            overrides: Values by dotted key that replace the file's; a text is read as YAML.

        Raises:
            InvalidFileError: Holds every mistake in the scenario, in its roster and between them.
        """
        return cls(*read_scenario(path_or_name, set_changes(overrides or {})))


@dataclass(frozen=True)
class Settings:
    """What a caller sets beside the scenario; None and empty values keep the scenario's own.

    Args:
        tier: The only tier that may answer.
        require: The run stops rather than fall back below this tier.
        seed: The seed, from 0.
        episodes: How often each task is played, from 1.
        endpoints: Server URLs.
        set: Values by dotted key that replace the scenario's; a text is read as YAML.
    """

    tier: Tier | str | None = None
    require: Tier | str | None = None
    seed: int | None = None
    episodes: int | None = None
    endpoints: Sequence[str] = ()
    set: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("tier", "require"):
            object.__setattr__(self, name, _tier(name, getattr(self, name)))
        for name in ("seed", "episodes"):
            object.__setattr__(self, name, _integer(name, getattr(self, name)))
        object.__setattr__(self, "endpoints", _urls(self.endpoints))
        if not isinstance(self.set, Mapping):
            raise UsageError(f"set={self.set!r}: give a mapping of dotted keys to values")

    def changes(self) -> dict[str, Change]:
        """Return the values to put into a scenario, by dotted key."""
        tiers = None if self.tier is None else [t.value for t in FALLBACK_ORDER] if self.tier == AUTO else [self.tier]
        named = {
            "inference.tiers": ("tier", tiers),
            "inference.require": ("require", self.require),
            "inference.endpoints": ("endpoints", list(self.endpoints) or None),
            "seed": ("seed", self.seed),
            "episodes": ("episodes", self.episodes),
        }
        given = {
            key: Change(f"{name}={plain_value(value)}", value)
            for key, (name, value) in named.items()
            if value is not None
        }
        return {**set_changes(self.set), **given}


def make_plan(
    scenario: ScenarioSource | Plan, settings: Settings | None = None, roster: Roster | str | Path | None = None
) -> Plan:
    """Return the plan to carry out.

    Args:
        scenario: A file, a shipped scenario's name, a `Scenario`, a mapping with its keys, or a `Plan`.
        settings: Values that replace the scenario's.
        roster: Who plays in place of the scenario's roster: a `Roster`, a file or a shipped name.

    Raises:
        InvalidFileError: Holds every mistake.
        UsageError: An argument has a wrong type.
    """
    changes = (settings or Settings()).changes()
    if isinstance(scenario, Plan):
        if not changes and roster is None:
            return scenario
        own = None if "roster" in changes else scenario.roster
        scenario, roster = scenario.scenario, roster or own
    return Plan(*read_scenario(scenario, changes, roster))


def _tier(name: str, value: object) -> Tier | str | None:
    names = [tier.value for tier in FALLBACK_ORDER]
    if value is None or (value == AUTO and name == "tier"):
        return value if value is None else AUTO
    if not isinstance(value, str) or value not in names:
        raise UsageError(f"{name}={plain_value(value)}: {nearest(value, names)}")
    return Tier(value)


def _integer(name: str, value: object) -> int | None:
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UsageError(f"{name}={value!r}: not a whole number") from None


def _urls(value: object) -> tuple[str, ...]:
    urls = (value,) if isinstance(value, str) else value
    if not isinstance(urls, Sequence) or not all(isinstance(url, str) for url in urls):
        raise UsageError(f"endpoints={value!r}: give a URL or a list of URLs")
    return tuple(urls)
