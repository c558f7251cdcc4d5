"""Follows a log that is being written: torn lines, resumed runs, runs that have not begun."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import StepResolved
from simulation.store.log import EventLog
from simulation.store.run_directory import locked
from simulation.tables.run import Run
from simulation.watch.follower import GONE, QUIET, Follower, find_run
from simulation.watch.view import LiveView, WatchStatus
from tests.simulation.runs.test_runner import cut_after
from tests.simulation.watch.test_state import assert_equals_tables


@pytest.fixture
def finished(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(make_plan(), out=runs)


def copy_of(run: Run, place: Path) -> Path:
    """A copy of the run's directory with an empty log."""
    place.mkdir(parents=True)
    shutil.copy(run.path / "manifest.json", place)
    (place / EventLog.NAME).touch()
    return place / EventLog.NAME


def read_on(follower: Follower) -> LiveView:
    while follower.poll():
        pass
    return follower.view()


def test_log_tail_does_not_read_an_unfinished_line(finished: Run, tmp_path: Path) -> None:
    """A log that arrives in any pieces gives the same: nothing is lost, repeated or misread."""
    content = (finished.path / EventLog.NAME).read_bytes()
    log = copy_of(finished, tmp_path / "copy")
    follower = Follower(log.parent)
    cuts = [*range(1, len(content), max(1, len(content) // 200)), len(content)]
    with log.open("ab") as file:
        for start, end in zip([0, *cuts], cuts, strict=False):
            file.write(content[start:end])
            file.flush()
            read_on(follower)
    assert follower.status is WatchStatus.FINISHED
    assert_equals_tables(follower.view(), finished)


def test_torn_line_is_cut_by_the_resumed_run(make_plan: Callable[..., Plan], runs: Path) -> None:
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(make_plan(), out=runs, on_event=cut_after(3, StepResolved))
    path = stopped.value.path
    follower = Follower(path)
    assert read_on(follower).progress.status is WatchStatus.STOPPED
    with (path / EventLog.NAME).open("ab") as file:
        file.write(b'{"type":"MessageSent","epis')
    read_on(follower)
    run = resume_run(path)
    view = read_on(follower)
    assert view.progress.status is WatchStatus.FINISHED
    assert view.progress.resumed == 1
    assert_equals_tables(view, run)


def test_answer_of_a_live_run_is_taken_after_each_episode(finished: Run, tmp_path: Path) -> None:
    lines = (finished.path / EventLog.NAME).read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines, start=1) if b'"EpisodeEnded"' in line]
    log = copy_of(finished, tmp_path / "copy")
    manifest = log.parent / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"finished"', b'"running"'))  # as while tables are derived
    follower, titles, lock = Follower(log.parent), [], locked(log.parent)
    for end, dies in ((ends[0] - 1, False), (ends[0], False), (ends[0], True), (len(lines), False)):
        log.write_bytes(b"".join(lines[:end]))
        if dies:
            lock.release()
        answer = read_on(follower).answer
        titles.append((answer.title.rpartition(" · ")[2], answer.sections[0].lines[0].text) if answer else None)
    none, first, killed, last = titles
    assert none is None  # no episode has ended
    assert first is not None
    assert killed is not None
    assert last is not None
    assert (first[0], killed[0], last[0]) == ("running", "cut off", "finished")
    assert "1 episode," in first[1]
    assert "2 episodes," in last[1]


def test_answer_of_a_longer_log_goes_until_the_end(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not taken anew would look current."""
    lines = (finished.path / EventLog.NAME).read_bytes().splitlines(keepends=True)
    first, second = (number for number, line in enumerate(lines, start=1) if b'"EpisodeEnded"' in line)
    monkeypatch.setattr("simulation.watch.follower.LIVE_BYTES", len(b"".join(lines[:first])))
    log, shown = copy_of(finished, tmp_path / "copy"), []
    follower = Follower(log.parent)
    for end in (first, first + 1, second, len(lines)):
        log.write_bytes(b"".join(lines[:end]))
        shown.append(read_on(follower).answer is not None)
    assert shown == [True, True, False, True]


def test_follower_waits_for_a_run_that_has_not_begun(finished: Run, tmp_path: Path) -> None:
    follower = Follower(tmp_path / "later")
    assert not follower.poll()
    assert follower.view().progress.status is WatchStatus.WAITING
    shutil.copytree(finished.path, tmp_path / "later")
    assert_equals_tables(read_on(follower), finished)


def test_find_run_takes_the_newest_run_of_a_folder(make_plan: Callable[..., Plan], runs: Path) -> None:
    assert find_run(runs) is None
    first, second = (run_scenario(make_plan(episodes=1), out=runs) for _ in range(2))
    os.utime(first.path / EventLog.NAME, (1, 1))
    assert find_run(runs) == second.path
    os.utime(second.path / EventLog.NAME, (0, 0))
    assert find_run(runs) == first.path
    assert find_run(second.path) == second.path


def test_bad_log_is_an_error_with_its_line(finished: Run) -> None:
    log = finished.path / EventLog.NAME
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join((*lines[:4], b"nonsense\n", *lines[4:])))
    follower = Follower(finished.path)
    with pytest.raises(SocietyError, match=r"events.jsonl:5: not an event"):
        read_on(follower)
    assert follower.view().progress.status is WatchStatus.BROKEN
    assert "events.jsonl:5" in follower.view().progress.reason
    assert not follower.poll()


def test_log_that_became_shorter_is_an_error(finished: Run) -> None:
    follower = Follower(finished.path)
    read_on(follower)
    (finished.path / EventLog.NAME).write_bytes(b"")
    with pytest.raises(SocietyError, match="shorter than it was"):
        follower.poll()


def test_run_without_a_process_is_shown_as_stopped(make_plan: Callable[..., Plan], runs: Path) -> None:
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(make_plan(), out=runs, on_event=cut_after(3, StepResolved))
    log = stopped.value.path / EventLog.NAME
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-1]))  # without its last event, as if it was killed
    follower = Follower(log.parent)

    def status() -> tuple[WatchStatus, str]:
        progress = read_on(follower).progress
        return progress.status, progress.reason

    os.utime(log, (0, time.time() - 2 * QUIET))
    lock = locked(log.parent)
    assert status() == (WatchStatus.RUNNING, "")  # a slow server, perhaps
    lock.release()
    assert status() == (WatchStatus.STOPPED, GONE)
    os.utime(log)
    assert status() == (WatchStatus.RUNNING, "")  # it was resumed
