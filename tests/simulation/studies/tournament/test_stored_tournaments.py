"""Tournaments that an older version stored: they load, and an interrupted one is finished."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson
import pytest

from agents.problems import SocietyError
from simulation.studies.tournament.columns import TABLES, ResultTable
from simulation.studies.tournament.play import play_tournament
from simulation.studies.tournament.results import load_tournament
from simulation.studies.tournament.tournament import finished_matches, place_of, read_tournament

STORED = Path(__file__).parents[3] / "fixtures" / "tournaments" / "version_1"
"""Made with --stop-width 0.5: 90 of at most 120 episodes. The runs of its matches are left out."""


def test_load_tournament_reads_version_1() -> None:
    result = load_tournament(STORED)
    assert list(result.matches.columns) == [column.name for column in TABLES[ResultTable.MATCHES]]
    assert len(result.matches) == 2 * 90
    assert set(result.matches["matchup"]) == {matchup.number for matchup in result.tournament.matchups}
    assert result.report["episodes_played"] == 90
    assert result.report["matrix"] == result.matrix.to_dict("records")


def test_stopped_tournament_of_version_1_is_not_played(tmp_path: Path) -> None:
    folder = shutil.copytree(STORED, tmp_path / "stored")
    with pytest.raises(SocietyError, match="Start a new tournament"):
        play_tournament(folder)
    assert load_tournament(folder).report == load_tournament(STORED).report


def test_interrupted_tournament_of_version_1_is_finished(tmp_path: Path) -> None:
    folder = shutil.copytree(STORED, tmp_path / "stored")
    (folder / "report.json").unlink()
    manifest = orjson.loads((folder / "tournament.json").read_bytes())
    manifest["tournament"] |= {"stop_width": None, "episodes": 2}
    (folder / "tournament.json").write_bytes(orjson.dumps(manifest))
    play_tournament(folder)
    tournament = read_tournament(folder)
    place = place_of(folder, tournament, 3)
    shutil.move(place, folder / "moved")  # where version 1 put the run
    shutil.move(folder / "moved", place / "round-00")
    before = {number: run.path for number, run in finished_matches(folder, tournament)}
    assert before[3].parent == place / "round-00"
    play_tournament(folder)
    assert {number: run.path for number, run in finished_matches(folder, tournament)} == before
