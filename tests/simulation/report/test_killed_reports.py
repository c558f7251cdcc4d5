"""A process killed while it writes a report: the report of before stays whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.roster import ModelConfig, Roster
from simulation.plan import Settings
from simulation.report import write_report
from simulation.studies.fingerprint.measure import REPORT, read_fingerprints, take_fingerprints
from simulation.studies.fingerprint.probes import Conditions
from tests.support.forks import killed, limit_files
from tests.support.unbroken import play


def kill_in(write: Callable[[], object]) -> None:
    """Run it in a child process, which is killed in the middle of its first large file."""
    killed(lambda: limit_files(100, die=True) or write())  # type: ignore[func-returns-value]


def assert_stays(file: Path, write: Callable[[], object]) -> None:
    """Killed before the first file: there is none. Killed later: the earlier file is there."""
    kill_in(write)
    assert not file.exists()
    write()
    whole = file.read_bytes()
    kill_in(write)
    assert file.read_bytes() == whole


def test_kill_while_a_report_is_written(tmp_path: Path) -> None:
    run, page = play(tmp_path / "runs").path, tmp_path / "report.html"
    assert_stays(page, lambda: write_report([run], page))


@pytest.mark.slow
def test_kill_while_fingerprints_are_written(tmp_path: Path) -> None:
    rows = tuple(ModelConfig(model_id=name, policy=name) for name in ("always_defect", "tit_for_tat"))
    conditions = Conditions(settings=Settings(seed=5, episodes=2))
    folder = take_fingerprints(Roster(name="two", models=rows), conditions, out=tmp_path, at_once=1)
    assert_stays(folder / REPORT, lambda: read_fingerprints(folder))
