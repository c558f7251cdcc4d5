"""Tournaments whose processes are killed: they end in the tables of an uninterrupted one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from simulation.runs.folders import begun_runs
from simulation.studies.tournament.results import TournamentResult, load_tournament
from simulation.studies.tournament.tournament import Tournament, place_of, read_tournament
from tests.simulation.studies.tournament.test_tournament import assert_same, played

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("killed tournaments")]
Start = Callable[..., subprocess.Popen[str]]
Play = Callable[[Tournament], TournamentResult]
COMMAND = (sys.executable, "-m", "simulation.cli.app", "study", "tournament")
ROSTER = """\
name: r
models: [{model_id: a, policy: random}, {model_id: b, policy: random_25}, {model_id: c, policy: tit_for_tat}]
"""
OPTIONS = (
    "--game",
    "prisoners_dilemma",
    "--steps",
    "40",
    "--episodes",
    "6",
    "--seed",
    "3",
    "--set",
    "communication.talk_rounds=0",
)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Start]:
    """Start `society study tournament` on a roster of three in a new folder, two matches at a time."""
    (tmp_path / "r.yaml").write_text(ROSTER)
    begun: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [*COMMAND, *(arguments or ("r.yaml", *OPTIONS)), "--jobs", "2"]
        begun.append(subprocess.Popen(command, cwd=tmp_path, text=True, env=environment, **pipes))
        return begun[-1]

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Play a tournament without interruption, once for all tests."""
    results: dict[str, TournamentResult] = {}

    def play(tournament: Tournament) -> TournamentResult:
        if repr(tournament) not in results:
            results[repr(tournament)] = played(tournament, tmp_path_factory.mktemp("whole"))
        return results[repr(tournament)]

    return play


def until_finished(folder: Path, count: int) -> Path:
    """Wait for `count` finished matches; return the tournament's folder."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        for path in folder.glob("runs/tournament-*"):
            if len(list(path.glob("matches/*/*/tables/outcomes.parquet"))) >= count:
                return path
        time.sleep(0.02)
    raise AssertionError("no match was finished")


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The worker processes of a tournament: the children of its fork server."""
    found: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = path.read_text().split(" (", 1)
        except OSError:
            continue
        found[int(pid)] = int(rest.rsplit(") ", 1)[1].split()[1])
    servers = [pid for pid, parent in found.items() if parent == process.pid]
    return [pid for pid, parent in found.items() if parent in servers]


def gone(pids: list[int], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_tournament_ends_in_the_same_tables(
    started: Start, unbroken: Play, tmp_path: Path, how: signal.Signals
) -> None:
    broken = started()
    folder = until_finished(tmp_path, 1)
    hands = workers_of(broken)
    broken.send_signal(how)
    _, err = broken.communicate(timeout=120)
    assert broken.returncode != 0
    assert gone(hands), "workers outlived the tournament"
    assert not (folder / "report.json").exists()
    if how is signal.SIGINT:
        assert f"to go on: society study tournament runs/{folder.name}" in err
    out, err = started(f"runs/{folder.name}").communicate(timeout=300)
    assert out.splitlines()[-1] == f"runs/{folder.name}", err
    tournament = read_tournament(folder)
    for matchup in tournament.matchups:
        assert len(begun_runs(place_of(folder, tournament, matchup.number))) == 1
    assert_same(load_tournament(folder), unbroken(tournament))


def test_match_of_a_killed_worker_is_counted_once(started: Start, unbroken: Play, tmp_path: Path) -> None:
    process = started()
    folder = until_finished(tmp_path, 1)
    os.kill(workers_of(process)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "a worker process died" in err
    assert_same(load_tournament(folder), unbroken(read_tournament(folder)))
