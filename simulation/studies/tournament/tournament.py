"""A tournament: one game played by every pair of a roster's models, or by every composition of its teams.

    tournament-<game>-<time>-<id>/
      tournament.json                    what is played, written before the first match
      matches/<lineup>/round-<n>/<run>   one run per lineup and round, as any scenario's
      report.json, tables/*.parquet      what came of it: `load_tournament`

A match's seed follows from the tournament's seed, its lineup and its round, so a folder that was cut off is finished
to the same tables. Lineups of teams share a round's seed: a coalition and the same with one member more play the same
draws, and what the member adds is a difference of pairs.

With `stop_width` matches come in rounds of ten episodes, and a pairing (or a team, for all its coalitions) whose
intervals have come down to that half-width plays no more. Looking at the data to decide when to stop makes intervals
too narrow: what looks calm by luck is stopped, what does not goes on. Measured for means of normal payoffs, 95%
intervals hold the truth nine times in ten (`tests/simulation/studies/tournament/test_stopping.py`); a fixed
ten episodes do no better, a fixed forty do (93%). Players without chance are known exactly after one round. Without
`stop_width` every lineup plays all its episodes in one round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import Field, ValidationError

from agents.file_model import FileModel, Real, Text, Whole
from agents.players.policies import POLICIES
from agents.problems import InvalidFileError, SocietyError, nearest
from agents.roster import Roster
from agents.strategy import TrainingMode
from simulation.games import find_game
from simulation.plan import Plan
from simulation.runs.folders import finished_run, new_folder, play_in
from simulation.scenario import Scenario
from simulation.seeds import derive_seed
from simulation.store.files import atomic_directory
from simulation.store.run_directory import versions
from simulation.studies.tournament.matchups import Format, Matchup, matchups
from simulation.studies.tournament.teams import Worth

if TYPE_CHECKING:
    from simulation.tables.run import Run

MANIFEST, SCHEMA_VERSION = "tournament.json", 1
ROUND = 10
"""Episodes of a round where matches may stop early; the last takes the rest."""


class Tournament(FileModel):
    """What is played. `scenario` has one task and says mode, seed, talk and inference; its roster and episodes are
    each match's own."""

    scenario: Scenario
    roster: Roster
    form: Format
    episodes: Whole = Field(ge=2)
    """The most episodes a lineup plays."""
    stop_width: Real | None = Field(default=None, gt=0)
    """The half-width of an interval that is narrow enough, in the game's units (teams: of reward or payoff)."""
    stand_in: Text | None = None
    """The policy that has the seat of a team's absent member; without it the seat is empty."""
    orders: Whole = Field(default=20, ge=2)
    """Drawn orders of members behind the Shapley values of a team of more than eight."""

    @cached_property
    def matchups(self) -> tuple[Matchup, ...]:
        """Who sits down together, numbered."""
        seed = self.scenario.seed
        return matchups(self.roster, self.form, stand_in=self.stand_in, orders=self.orders, seed=seed)

    @property
    def worth(self) -> Worth:
        """What teams are compared by first: the pool where the mode shares it among teams, else payoffs."""
        return Worth.REWARD if self.scenario.mode is TrainingMode.TEAM_BATTLE else Worth.PAYOFF

    @property
    def rounds(self) -> tuple[int, ...]:
        """The episodes of each round."""
        if self.stop_width is None or self.episodes < 2 * ROUND:
            return (self.episodes,)
        whole, rest = divmod(self.episodes, ROUND)
        return (*(ROUND,) * (whole - 1), ROUND + rest)

    def plan(self, match: Match) -> Plan:
        """What a match plays. Raises InvalidFileError where its lineup cannot play the game."""
        named = ("round", match.round) if self.form is Format.TEAMS else ("match", match.matchup, match.round)
        keys = {"seed": derive_seed(self.scenario.seed, *named), "episodes": self.rounds[match.round]}
        seats = self.matchups[match.matchup].seats
        scenario = self.scenario.model_copy(update=keys)
        return Plan(scenario, self.roster.model_copy(update={"models": seats}))


@dataclass(frozen=True, order=True)
class Match:
    """The play of one lineup in one round, both by number."""

    round: int
    matchup: int


def check(tournament: Tournament) -> None:
    """Raises SocietyError or InvalidFileError where the tournament cannot be played as it is."""
    game = find_game(tournament.scenario.tasks[0].task_type)
    mode, stand_in = tournament.scenario.mode, tournament.stand_in
    if game.synthetic:
        raise SocietyError(f"{game.task_type} is a formula over words, not play: there is nothing to compare")
    if mode is TrainingMode.MIXED:
        raise SocietyError("a mixed tournament would compare matches of different modes; pick one: --mode competitive")
    if tournament.form is Format.PAIRS and mode is TrainingMode.TEAM_BATTLE:
        raise SocietyError("a team battle is played by teams: --format teams, or another --mode")
    if stand_in and tournament.form is Format.PAIRS:
        raise SocietyError("--stand-in is for the empty seats of teams: --format teams")
    if stand_in and stand_in not in POLICIES:
        raise SocietyError(f"--stand-in {stand_in}: there is no such policy ({nearest(stand_in, tuple(POLICIES))})")
    for matchup in tournament.matchups:
        _check_lineup(tournament, matchup)


def _check_lineup(tournament: Tournament, matchup: Matchup) -> None:
    try:
        tournament.plan(Match(0, matchup.number))
    except InvalidFileError as error:
        why = "; ".join(f"{problem.message}" for problem in error.problems)
        if tournament.form is Format.PAIRS:
            raise SocietyError(f"two models cannot play this: {why}; compare teams instead: --format teams") from None
        who = " and ".join(matchup.members) or "nobody"
        hint = "" if tournament.stand_in else "; have the empty seats played: --stand-in always_defect"
        raise SocietyError(f"{matchup.team} with {who} alone cannot play this: {why}{hint}") from None


# -- the folder ---------------------------------------------------------------------------------------------


def new_tournament(tournament: Tournament, out: str | Path = "runs") -> Path:
    """A folder for it, with nothing played yet. Raises as `check` does, before anything is written."""
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
    """What a folder plays. Raises SocietyError where it is no tournament of this version."""
    file = folder / MANIFEST
    if not file.exists():
        raise SocietyError(f"{folder} is not a tournament: it has no {MANIFEST}")
    try:
        manifest: Mapping[str, Any] = orjson.loads(file.read_bytes())
        version = manifest["schema_version"]
        if version != SCHEMA_VERSION:
            raise SocietyError(f"{file}: schema_version {version}; this version reads {SCHEMA_VERSION}")
        return Tournament.model_validate(manifest["tournament"])
    except (orjson.JSONDecodeError, KeyError, ValidationError) as error:
        raise SocietyError(f"{file} cannot be read: {error}") from error


def place_of(folder: Path, tournament: Tournament, match: Match) -> Path:
    """Where a match's run lies."""
    return folder / "matches" / tournament.matchups[match.matchup].label / f"round-{match.round:02d}"


def play_match(folder: Path, tournament: Tournament, match: Match) -> Run:
    """Play, finish or load one match. Raises RunStoppedError."""
    return play_in(place_of(folder, tournament, match), tournament.plan(match))


@dataclass(frozen=True)
class MatchWork:
    """A match as a worker is handed it."""

    folder: Path
    match: Match

    @property
    def place(self) -> Path:
        """Where its run lies."""
        return place_of(self.folder, _known(self.folder), self.match)

    def play(self) -> Run:
        """Play, finish or load the match. Raises RunStoppedError."""
        return play_match(self.folder, _known(self.folder), self.match)


@cache
def _known(folder: Path) -> Tournament:
    return read_tournament(folder)


def split_finished(
    folder: Path, tournament: Tournament, matches: Sequence[Match]
) -> tuple[dict[Match, Run], list[Match]]:
    """The runs of the matches that are finished, and the matches that are not."""
    found = {match: finished_run(place_of(folder, tournament, match)) for match in matches}
    done = {match: run for match, run in found.items() if run is not None}
    return done, [match for match in matches if match not in done]
