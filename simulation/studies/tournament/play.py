"""Plays a tournament's matches, several at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from simulation.metrics.banner import SourceCounts
from simulation.metrics.registry import LEVEL
from simulation.runs.folders import at_work, finished_run, resumable
from simulation.runs.workers import play_all
from simulation.studies.tournament.figures import Figures, match_rows
from simulation.studies.tournament.results import TournamentResult, write_results
from simulation.studies.tournament.tournament import MatchWork, finished_matches, read_tournament, refuse_stopped

Watch = Callable[[int, int], None]
"""Called with the number of matches finished and the number of all."""


def play_tournament(
    folder: Path, *, jobs: int = 1, level: float = LEVEL, mix_tiers: bool = False, watch: Watch | None = None
) -> TournamentResult:
    """Play the matches that a tournament's folder lacks and write its report; of a finished one, the report only.

    Args:
        folder: A folder of `new_tournament`.
        jobs: Matches at a time.
        level: Confidence level of the intervals, in (0, 1).
        mix_tiers: Average replies of several tiers together.
        watch: Called after each match.

    Raises:
        SocietyError: A match stopped; the message gives the command that goes on.
        MixedTiersError: Replies came from several tiers.
    """
    tournament = read_tournament(folder)
    refuse_stopped(folder)
    with at_work(folder), resumable(f"society study tournament {folder}"):
        runs = dict(finished_matches(folder, tournament))
        missing = [MatchWork(folder, each.number) for each in tournament.matchups if each.number not in runs]
        for work in play_all(missing, jobs):
            run = finished_run(work.place)
            assert run is not None  # else the worker would have raised
            runs[work.number] = run
            if watch is not None:
                watch(len(runs), len(tournament.matchups))
        rows = [row for number, run in runs.items() for row in match_rows(folder, tournament.matchups[number], run)]
        counts = SourceCounts.of_runs(run.path for run in runs.values())
        return write_results(folder, Figures(tournament, rows, level=level, mix_tiers=mix_tiers), counts)
