"""Plays a tournament's matches round by round, in parallel, and stops those whose intervals are narrow enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simulation.metrics.inference import LEVEL
from simulation.runs.folders import at_work, resumable
from simulation.runs.workers import play_all
from simulation.studies.tournament.figures import Figures, match_rows
from simulation.studies.tournament.matchups import Format, Matchup
from simulation.studies.tournament.results import TournamentResult, write_results
from simulation.studies.tournament.tournament import Match, MatchWork, Tournament, read_tournament, split_finished
from simulation.tables.run import Row

if TYPE_CHECKING:
    from simulation.tables.run import Run

Watch = Callable[[int, int], None]
"""Is told the matches finished, and the most there can be."""


def play_tournament(
    folder: Path, *, jobs: int = 1, level: float = LEVEL, mix_tiers: bool = False, watch: Watch | None = None
) -> TournamentResult:
    """Play what is missing in a tournament's folder and write its report; a finished one is only counted anew.

    Raises SocietyError where a match stops, with how to go on, and MixedTiersError.
    """
    tournament = read_tournament(folder)
    rows: list[Row] = []
    with at_work(folder), resumable(f"society tournament {folder}"):
        figures = None
        done, due = 0, list(tournament.matchups)
        for number in range(len(tournament.rounds)):
            matches = [Match(number, matchup.number) for matchup in due]
            most = done + len(matches) * (len(tournament.rounds) - number)
            for match, run in _runs(folder, tournament, matches, jobs):
                rows += match_rows(folder, tournament, match, run)
                done += 1
                if watch is not None:
                    watch(done, most)
            figures = Figures(tournament, rows, level=level, mix_tiers=mix_tiers)
            due = [matchup for matchup in due if matchup.number in still_wide(tournament, figures, due)]
            if not due:
                break
        assert figures is not None  # there is one round at least
        return write_results(folder, figures)


def _runs(folder: Path, tournament: Tournament, matches: Sequence[Match], jobs: int) -> Iterator[tuple[Match, Run]]:
    done, missing = split_finished(folder, tournament, matches)
    yield from done.items()
    for work in play_all([MatchWork(folder, match) for match in missing], jobs):
        yield from split_finished(folder, tournament, [work.match])[0].items()


def still_wide(tournament: Tournament, figures: Figures, due: Sequence[Matchup]) -> set[int]:
    """The lineups that play another round: all of them without a width to stop at."""
    width = tournament.stop_width
    if width is None:
        return {matchup.number for matchup in due}
    if tournament.form is Format.PAIRS:
        wide = figures.cross_play.widths()
        return {matchup.number for matchup in due if wide[matchup.members] > width}
    teams = {each.team: each.widest() for each in figures.compositions if each.worth is tournament.worth}
    return {matchup.number for matchup in due if teams[matchup.team] > width}
