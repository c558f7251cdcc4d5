"""Runs in a place that cannot be written: all that reads works and writes nothing, all that writes says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import pytest

from simulation.runs.replay import replay_run
from simulation.runs.runner import RunStoppedError, resume_run
from simulation.store.events import EpisodeEnded
from simulation.tables.run import Run, load_run
from simulation.tables.runs import load_runs
from simulation.watch.follower import Follower
from tests.simulation.runs.test_runner import cut_after
from tests.support import forks
from tests.support.forks import in_child, society
from tests.support.unbroken import TABLES, assert_so_far, assert_whole, play


class Closed(Enum):
    """What keeps a folder from being written."""

    MOUNT = "Read-only file system"
    PERMISSIONS = "Permission denied"


@contextmanager
def closed(folder: Path, how: Closed) -> Iterator[None]:
    """Nothing below `folder` can be written by this process while this lasts; for a child."""
    if how is Closed.MOUNT:
        forks.own_mounts()
        with forks.read_only(folder):
            yield
        return
    forks.bound_by_permissions()
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one finished run and one that was stopped after its first episode."""
    out = tmp_path_factory.mktemp("runs")
    play(out / "finished")
    with pytest.raises(RunStoppedError):
        play(out / "stopped", on_event=cut_after(1, EpisodeEnded))
    return out


@pytest.fixture(scope="module")
def finished(runs: Path) -> Run:
    (run,) = load_runs(runs / "finished")
    return run


@pytest.fixture(scope="module")
def stopped(runs: Path) -> Path:
    return next((runs / "stopped").iterdir())


@pytest.fixture(params=Closed)
def in_closed(runs: Path, request: pytest.FixtureRequest) -> Callable[[Callable[[], object]], str]:
    """Does something in a child that cannot write the folder of runs, in which nothing may change."""
    how: Closed = request.param
    refused = forks.mounts_refused() if how is Closed.MOUNT else ""
    if refused:
        pytest.skip(f"NOT TESTED ON A READ-ONLY FILE SYSTEM: nothing may be mounted here ({refused})")

    def do(work: Callable[[], object]) -> str:
        def inside() -> object:
            with closed(runs, how), pytest.raises(OSError, match=how.value):
                (runs / "written").touch()
            with closed(runs, how):
                return work()

        before = _stamps(runs)
        text = in_child(inside)
        assert _stamps(runs) == before
        return text

    return do


def _stamps(folder: Path) -> dict[Path, int]:
    return {path: os.stat(path).st_mtime_ns for path in (folder, *folder.rglob("*"))}


InClosed = Callable[[Callable[[], object]], str]


def test_runs_are_read(in_closed: InClosed, runs: Path, finished: Run, stopped: Path) -> None:
    tables = {name: len(getattr(finished, name)) for name in TABLES}

    def read() -> None:
        assert_whole(load_run(finished.path), finished)
        assert_so_far(load_run(stopped), finished)
        assert len(load_runs(runs, unfinished=True).outcomes) == tables["outcomes"] * 3 // 2
        follower = Follower(finished.path)
        while follower.poll():
            pass
        assert len(follower.view().rows) == tables["agents"]

    in_closed(read)


def test_read_only_run_is_resumed_and_replayed_elsewhere(in_closed: InClosed, finished: Run, tmp_path: Path) -> None:
    def read() -> None:
        assert_whole(resume_run(finished.path), finished)
        assert replay_run(finished.path, out=tmp_path).tables_identical

    in_closed(read)


def test_a_report_is_written_elsewhere(in_closed: InClosed, runs: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    text = in_closed(lambda: society("report", str(runs), "--out", str(page)))
    assert "code=0" in text
    assert page.stat().st_size > 10_000


@pytest.mark.parametrize("command", ["resume", "run", "report", "replay"])
def test_what_writes_says_what_to_do(
    command: str, in_closed: InClosed, runs: Path, finished: Run, stopped: Path
) -> None:
    place, arguments = {
        "resume": (stopped / ".lock", [stopped]),
        "run": (runs / "first_contact-", ["first_contact", "--tier", "simulated", "--out", runs]),
        "report": (runs / "report.html", [finished.path, "--out", runs / "report.html"]),
        "replay": (runs / "first_contact-", [finished.path, "--out", runs]),
    }[command]

    def write() -> str:
        said = society(command, *map(str, arguments))
        assert said.code == 1
        return said.text

    text = in_closed(write)
    assert f"society: {place}" in text
    assert "cannot be written: " in text
    assert "name a folder that can be written to, or change this one" in text
    assert "Traceback" not in text


def test_a_run_whose_directory_is_closed_while_it_plays_stops(tmp_path: Path, finished: Run) -> None:
    """Its log is open already; what it cannot write any more are its tables."""

    def work() -> str:
        with pytest.raises(RunStoppedError) as text:
            play(tmp_path, on_event=lambda event: isinstance(event, EpisodeEnded) and _close(tmp_path))
        path = next(tmp_path.iterdir())
        path.chmod(0o755)
        assert_so_far(load_run(path), finished)
        assert_whole(resume_run(path), finished)
        return str(text.value)

    assert "could not be written: Permission denied" in in_child(work)


def _close(out: Path) -> None:
    forks.bound_by_permissions()
    next(out.iterdir()).chmod(0o555)
