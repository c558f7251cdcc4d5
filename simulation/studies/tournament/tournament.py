"""A tournament: one game played by every pair of a roster's models, or by every composition of its teams.

    tournament-<game>-<time>-<id>/
      tournament.json               what is played, written before the first match
      matches/<matchup>/<run>       one run per matchup, as any scenario's
      report.json, tables/*.parquet the results: `load_tournament`

The seed of a match follows from the tournament's seed and its matchup, so an interrupted tournament ends in the same
tables as one that was not interrupted. All matchups of teams share one seed: a coalition and the same coalition with
one member more play the same random draws, and what the member adds is a difference of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import Field, ValidationError

from agents.file_model import FileModel, Text, Whole
from agents.players.policies import POLICIES
from agents.problems import InvalidFileError, SocietyError, nearest
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.plan import Plan, Settings
from simulation.runs.folders import finished_run, new_folder, play_in
from simulation.scenario import Scenario, checked_scenario
from simulation.seeds import derive_seed
from simulation.store.files import atomic_directory
from simulation.store.migrations import without_removed_settings
from simulation.store.run_directory import versions
from simulation.studies.tournament.matchups import Format, Matchup, matchups
from simulation.studies.tournament.teams import Worth

if TYPE_CHECKING:
    from simulation.tables.run import Run

MANIFEST, SCHEMA_VERSION = "tournament.json", 2
_STOP_WIDTH = "stop_width"
"""A key of version 1: it stopped matches early, in rounds."""
_FIRST_ROUND = "round-00"
"""The folder of version 1 between a matchup's folder and its run."""


class Tournament(FileModel):
    """What is played. `scenario` has one task and gives mode, seed, talk and inference; each match has its own roster
    and number of episodes."""

    scenario: Scenario
    roster: Roster
    form: Format
    episodes: Whole = Field(ge=2)
    """The episodes of each matchup."""
    stand_in: Text | None = None
    """The policy that plays for a team's absent member; without it the member's place is empty."""
    orders: Whole = Field(default=20, ge=2)
    """Drawn orders of members behind the Shapley values of a team of more than eight."""

    @cached_property
    def matchups(self) -> tuple[Matchup, ...]:
        """Who plays together, numbered."""
        seed = self.scenario.seed
        return matchups(self.roster, self.form, stand_in=self.stand_in, orders=self.orders, seed=seed)

    @property
    def worth(self) -> Worth:
        """What teams are compared by first: the pool where the mode shares it among teams, else payoffs."""
        return Worth.REWARD if self.scenario.mode is TrainingMode.TEAM_BATTLE else Worth.PAYOFF

    def plan(self, number: int) -> Plan:
        """The plan of the match of matchup `number`.

        Raises:
            InvalidFileError: The matchup cannot play the game.
        """
        names = ("round",) if self.form is Format.TEAMS else ("match", number)
        keys = {"seed": derive_seed(self.scenario.seed, *names, 0), "episodes": self.episodes}
        roster = self.roster.model_copy(update={"models": self.matchups[number].seats})
        return Plan(self.scenario.model_copy(update=keys), roster)


def scenario_of(
    game: str,
    mode: TrainingMode,
    roster: str,
    settings: Settings,
    *,
    steps: int,
    parameters: Mapping[str, Any] | None = None,
) -> Scenario:
    """Return the scenario that all matches of a tournament share: one task, playable by any number of models.

    Args:
        game: The game's task_type.
        mode: The mode of all matches.
        roster: The roster's name.
        settings: Values that replace the scenario's.
        steps: Steps of an episode.
        parameters: The game's own parameters.

    Raises:
        InvalidFileError: Holds every mistake.
    """
    task = {"task_id": game, "task_type": game, "max_steps": steps, "required_models": 1}
    raw = {
        "name": f"tournament-{game}",
        "mode": mode.value,
        "roster": roster,
        "tasks": [{**task, "parameters": dict(parameters or {})}],
    }
    return checked_scenario(raw, "the tournament", settings.changes())


def check(tournament: Tournament) -> None:
    """Check that a tournament can be played.

    Raises:
        SocietyError: It cannot; the message gives the option to change.
    """
    game = find_game(tournament.scenario.tasks[0].task_type)
    mode, stand_in = tournament.scenario.mode, tournament.stand_in
    if game.synthetic:
        raise SocietyError(f"{game.task_type} is a formula over words, not play: there is nothing to compare")
    if mode is TrainingMode.MIXED:
        raise SocietyError("a mixed tournament would compare matches of different modes; pick one: --mode competitive")
    if tournament.form is Format.PAIRS and mode is TrainingMode.TEAM_BATTLE:
        raise SocietyError("a team battle is played by teams: --format teams, or another --mode")
    if stand_in and tournament.form is Format.PAIRS:
        raise SocietyError("--stand-in is for the absent members of teams: --format teams")
    if stand_in and stand_in not in POLICIES:
        raise SocietyError(f"--stand-in {stand_in}: there is no such policy ({nearest(stand_in, tuple(POLICIES))})")
    for matchup in tournament.matchups:
        _check_matchup(tournament, matchup)


def _check_matchup(tournament: Tournament, matchup: Matchup) -> None:
    try:
        tournament.plan(matchup.number)
    except InvalidFileError as error:
        why = "; ".join(f"{problem.message}" for problem in error.problems)
        if tournament.form is Format.PAIRS:
            raise SocietyError(f"two models cannot play this: {why}; compare teams instead: --format teams") from None
        who = " and ".join(matchup.members) or "nobody"
        hint = "" if tournament.stand_in else "; let a policy play for the absent: --stand-in always_defect"
        raise SocietyError(f"{matchup.team} with {who} alone cannot play this: {why}{hint}") from None


# -- the folder ---------------------------------------------------------------------------------------------


def new_tournament(tournament: Tournament, out: str | Path = "runs") -> Path:
    """Make the folder of a tournament, with nothing played yet.

    Raises:
        SocietyError: It cannot be played, see `check`; nothing is written.
    """
    check(tournament)
    folder = new_folder(out, f"tournament-{tournament.scenario.tasks[0].task_type}")
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "versions": versions(),
        "tournament": tournament.model_dump(mode="json"),
    }
    with atomic_directory(folder) as part:
        (part / "matches").mkdir()
        (part / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2) + b"\n")
    return folder


def read_tournament(folder: Path) -> Tournament:
    """Read what a folder plays; a folder of version 1 is read too.

    Raises:
        SocietyError: The folder is no tournament, or one of an unknown version.
    """
    fields = _read_fields(folder)
    fields.pop(_STOP_WIDTH, None)
    try:
        return Tournament.model_validate(fields)
    except ValidationError as error:
        raise SocietyError(f"{folder / MANIFEST} cannot be read: {error}") from error


def _read_fields(folder: Path) -> dict[str, Any]:
    file = folder / MANIFEST
    if not file.exists():
        raise SocietyError(f"{folder} is not a tournament: it has no {MANIFEST}")
    try:
        manifest = orjson.loads(file.read_bytes())
        version = manifest["schema_version"]
        if version not in range(1, SCHEMA_VERSION + 1):
            raise SocietyError(f"{file}: schema_version {version}; this version reads 1 to {SCHEMA_VERSION}")
        fields = dict(manifest["tournament"])
        return {**fields, "scenario": without_removed_settings(fields["scenario"])}
    except (orjson.JSONDecodeError, KeyError) as error:
        raise SocietyError(f"{file} cannot be read: {error}") from error


def refuse_stopped(folder: Path) -> None:
    """Refuse to play a tournament of version 1 whose matches stop early.

    Raises:
        SocietyError: It is one; its tables can be loaded, no match of it can be played.
    """
    if _read_fields(folder).get(_STOP_WIDTH) is not None:
        raise SocietyError(
            f"{folder} was made with --stop-width, which this version has not; load_tournament still loads its "
            "tables. Start a new tournament to play more"
        )


def place_of(folder: Path, tournament: Tournament, number: int) -> Path:
    """The folder of the run of matchup `number`."""
    place = folder / "matches" / tournament.matchups[number].label
    return place / _FIRST_ROUND if (place / _FIRST_ROUND).exists() else place


@dataclass(frozen=True)
class MatchWork:
    """A match as a worker is given it: a tournament's folder, and the number of a matchup."""

    folder: Path
    number: int

    @property
    def place(self) -> Path:
        """The folder of its run."""
        return place_of(self.folder, _read_once(self.folder), self.number)

    def play(self) -> Run:
        """Play, finish or load the match. Raises RunStoppedError."""
        return play_in(self.place, _read_once(self.folder).plan(self.number))


@cache
def _read_once(folder: Path) -> Tournament:
    return read_tournament(folder)


def finished_matches(folder: Path, tournament: Tournament) -> Iterator[tuple[int, Run]]:
    """The finished runs, each with the number of its matchup."""
    for matchup in tournament.matchups:
        run = finished_run(place_of(folder, tournament, matchup.number))
        if run is not None:
            yield matchup.number, run
