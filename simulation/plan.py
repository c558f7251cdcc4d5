"""`Plan`: a scenario with its roster, checked against each other. This is what a run carries out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.findings import Finding, RawMapping, dotted, examine, shown
from agents.problems import InvalidFileError, Problem, SocietyError, nearest
from agents.roster import FOLDER as ROSTERS
from agents.roster import Roster, examine_roster
from agents.roster_layers import compose_roster
from agents.roster_rules import mappings, raw_players
from agents.strategy import TrainingMode
from agents.yaml_file import YamlFile, find_file, read_yaml, shipped_files
from simulation.games import find_game
from simulation.games.base import Setting
from simulation.scenario import FOLDER, Scenario, scenario_findings
from simulation.seats import Seat, named_teams
from simulation.task import raw_parameters

Kept = TypeVar("Kept", bound=BaseModel)


def load_from_manifest(model: type[Kept], manifest: Mapping[str, Any], name: str) -> Kept:
    """What a manifest keeps under `name`. Raises SocietyError where it is not whole."""
    try:
        return model.model_validate(manifest.get(name))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"])
        raise SocietyError(f"the run's manifest.json keeps no usable {name}: {place}: {first['msg']}") from error


@dataclass(frozen=True)
class Plan:
    """A scenario and the roster that plays it.

    Raises InvalidFileError where they do not fit each other. `path` is the scenario's file, if it has one.
    """

    scenario: Scenario
    roster: Roster
    path: Path | None = None

    def __post_init__(self) -> None:
        data, roster = self.scenario.model_dump(mode="json"), self.roster.model_dump(mode="json")
        name = self.scenario.name
        found = plan_findings(data, roster)
        problems = [Problem(name, 0, dotted(each.path), each.message, each.suggestion) for each in found]
        if problems:
            raise InvalidFileError(problems)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Plan:
        """The plan a run's manifest keeps. Raises SocietyError where it keeps none."""
        return cls(load_from_manifest(Scenario, manifest, "scenario"), load_from_manifest(Roster, manifest, "roster"))

    @classmethod
    def load(cls, path_or_name: str | Path, overrides: Mapping[str, str] | None = None) -> Plan:
        """The plan in a file, or the shipped one of that name, with `overrides` (dotted key -> YAML text).

        Raises InvalidFileError with every mistake in the scenario, its roster and between them.
        """
        path = find_file(path_or_name, "scenario", shipped_files(FOLDER))
        file, problems = _overridden(read_yaml(path), overrides or {})
        scenario, findings = examine(Scenario, file.data, scenario_findings)
        roster, roster_data, roster_problems = _roster(file, path.parent)
        between = plan_findings(file.data, roster_data)
        problems += [*file.all_problems([*findings, *between]), *roster_problems]
        if problems or scenario is None or roster is None:
            raise InvalidFileError(problems)
        return cls(scenario, roster, path)


def _overridden(file: YamlFile, overrides: Mapping[str, str]) -> tuple[YamlFile, list[Problem]]:
    """The file with all overrides that can be set, and what keeps the others from it."""
    problems: list[Problem] = []
    for key, text in overrides.items():
        file, found = _override(file, key, text)
        problems += found
    return file, problems


def _override(file: YamlFile, key: str, text: str) -> tuple[YamlFile, tuple[Problem, ...]]:
    try:
        return file.override(key, text), ()
    except InvalidFileError as error:
        return file, error.problems


def _roster(file: YamlFile, folder: Path) -> tuple[Roster | None, RawMapping, tuple[Problem, ...]]:
    """The roster a scenario names, as a roster and raw, with everything wrong with it."""
    asked = file.data.get("roster")
    if not isinstance(asked, str) or not asked:
        return None, {}, ()
    start = Path() if ("roster",) in file.overrides else folder
    try:
        path = find_file(asked, "roster", shipped_files(ROSTERS), start)
    except InvalidFileError as error:
        found = (Finding(("roster",), f"{shown(asked)}: {each.message}", each.suggestion) for each in error.problems)
        return None, {}, tuple(map(file.problem, found))
    try:
        composed = compose_roster(path, shipped_files(ROSTERS))
    except InvalidFileError as error:
        return None, {}, error.problems
    roster, problems = examine_roster(composed)
    return roster, composed.data, problems


def plan_findings(data: RawMapping, roster: RawMapping) -> Iterator[Finding]:
    """Where a raw scenario and its raw roster do not fit; nothing where the roster does not say who plays."""
    players = raw_players(roster)
    if players is None:
        return
    seats = tuple(Seat(model_id, team_id) for model_id, team_id in players)
    if data.get("mode") == TrainingMode.TEAM_BATTLE.value and named_teams(seats) < 2:
        teams = ", ".join(sorted({seat.team_id for seat in seats if seat.team_id})) or "none"
        message = f"team_battle needs two teams; teams of the roster {data.get('roster')}: {teams}"
        yield Finding(("mode",), message, "give its rows a team_id")
    for index, task in mappings(data.get("tasks")):
        yield from (finding.under("tasks", index) for finding in _task_findings(task, seats))
    yield from _edge_findings(data, [seat.model_id for seat in seats])


def _task_findings(task: RawMapping, seats: tuple[Seat, ...]) -> Iterator[Finding]:
    required, parameters = task.get("required_models"), raw_parameters(task)
    if isinstance(required, int) and required > len(seats):
        message = f"needs {required} models; the roster has {len(seats)}"
        yield Finding(("required_models",), message, f"nearest valid: {len(seats)}")
    if parameters is not None:
        refusal = find_game(task["task_type"]).refuse(_setting(task, seats), parameters)
        if refusal:
            yield Finding(("task_type",), refusal)


def _setting(task: RawMapping, seats: tuple[Seat, ...]) -> Setting:
    """The setting a raw task asks for; what is unsound there is told of elsewhere and counts as left out."""
    steps, difficulty = task.get("max_steps"), task.get("difficulty")
    return Setting(
        seats,
        max_steps=steps if isinstance(steps, int) and steps >= 1 else 5,
        difficulty=difficulty if isinstance(difficulty, (int, float)) and 0 <= difficulty <= 1 else 0.5,
    )


def _edge_findings(data: RawMapping, players: list[str]) -> Iterator[Finding]:
    communication = data.get("communication")
    edges = communication.get("topology") if isinstance(communication, Mapping) else None
    for index, edge in enumerate(edges if isinstance(edges, (list, tuple)) else ()):
        path = ("communication", "topology", index)
        ends = [end for end in edge if isinstance(end, str)] if isinstance(edge, (list, tuple)) else []
        for place, end in enumerate(ends):
            if end not in players:
                yield Finding((*path, place), f"no model is called {shown(end)}", nearest(end, players))
        if len(ends) == 2 and ends[0] == ends[1]:
            yield Finding(path, f"joins {shown(ends[0])} to itself")
