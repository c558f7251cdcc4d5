"""A run killed anywhere, inside a write and inside fsync too, ends as if nothing had happened, and pays nothing twice.

Kills are dealt in forked children, whose imports are paid for: `os.write` and `os.fsync` of the event log count, and at
the chosen byte or call the process is gone, with what it had handed over left on the disk.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.inference.provenance import Purpose, Tier
from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store import log
from simulation.store.events import CallMade, Event, RunEnded
from simulation.store.log import EventLog
from simulation.store.run_directory import locked
from simulation.tables.run import Run, load_run
from tests.simulation.runs.test_runner import cut_after
from tests.support.unbroken import assert_whole, play

KILLS, LIMIT = 50, 120


class Dying:
    """Stands in for the event log's `os`: ends the process inside the n-th byte written or the n-th fsync."""

    def __init__(self, byte: int = 0, sync: int = 0) -> None:
        self._byte, self._sync, self._written, self._synced = byte, sync, 0, 0

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def write(self, descriptor: int, data: memoryview) -> int:
        if self._byte and self._written + len(data) >= self._byte:
            os.write(descriptor, data[: self._byte - self._written])
            os._exit(137)
        self._written += len(data)
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._synced += 1
        if self._synced == self._sync:
            os._exit(137)
        os.fsync(descriptor)


def in_child(work: Callable[[], object]) -> int:
    """Do `work` in a forked child; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def killed(out: Path, death: Dying) -> Path:
    def work() -> None:
        log.os = death  # type: ignore[assignment]
        play(out)

    _, status = os.waitpid(in_child(work), 0)
    assert os.waitstatus_to_exitcode(status) == 137
    return next(out.iterdir())


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("unbroken"))


@pytest.mark.slow
def test_fifty_kills_inside_writes_and_fsyncs(unbroken: Run, tmp_path: Path) -> None:
    draw = random.Random(6)
    size = (unbroken.path / EventLog.NAME).stat().st_size
    deaths = [Dying(byte=draw.randrange(1, int(size * 0.98))) for _ in range(KILLS - 5)]
    deaths += [Dying(sync=number) for number in range(1, 6)]
    for number, death in enumerate(deaths):
        assert_whole(resume_run(killed(tmp_path / str(number), death)), unbroken)


@pytest.mark.slow
def test_a_real_sigkill(unbroken: Run, tmp_path: Path) -> None:
    for number, lines in enumerate((1, 9, 17)):
        out = tmp_path / str(number)

        def work(out: Path = out, lines: int = lines) -> None:
            seen = iter(range(lines))
            run_scenario(
                Plan.load("first_contact", {"tasks.0.max_steps": "2"}),
                tier=Tier.SIMULATED,
                episodes=2,
                out=out,
                on_event=lambda _: next(seen, None) is None and time.sleep(LIMIT),  # type: ignore[arg-type,return-value]
            )

        child = in_child(work)
        ends = time.monotonic() + LIMIT
        while not list(out.glob("*/events.jsonl")) and time.monotonic() < ends:
            time.sleep(0.02)
        time.sleep(0.5)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        assert_whole(resume_run(next(out.iterdir())), unbroken)


SUMMARIES: dict[str, Any] = {"steps": 3, "memory": "{window: 3, summary: {every: 1}}"}


@pytest.fixture(scope="module")
def summed_up(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("summed_up"), **SUMMARIES)


@pytest.mark.parametrize("summaries", [1, 4, 6, 12])
def test_kill_after_a_summary_asks_for_none_again(summaries: int, summed_up: Run, tmp_path: Path) -> None:
    """Kill a run of four models between a summary, the last one of its step or not, and the next decision."""
    assert set(summed_up.calls.query("purpose == 'summary'")["step"]) == {1, 2}
    left = iter(range(summaries - 1))

    def die(event: Event) -> None:
        if isinstance(event, CallMade) and event.record.key.purpose is Purpose.SUMMARY and next(left, None) is None:
            os._exit(137)

    _, status = os.waitpid(in_child(lambda: play(tmp_path, on_event=die, **SUMMARIES)), 0)
    assert os.waitstatus_to_exitcode(status) == 137
    assert_whole(resume_run(next(tmp_path.iterdir())), summed_up)


class Full(Dying):
    """A disk that is full after so many bytes, in the middle of a line."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, descriptor: int, data: memoryview) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = os.write(descriptor, data[: self._room])
        self._room -= done
        return done


class Hiccup(Full):
    """A disk that is full once, in the middle of a line, and has room again for the next one."""

    def write(self, descriptor: int, data: memoryview) -> int:
        if self._room:
            return super().write(descriptor, data)
        self._room = 1 << 30
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("disk", [Full, Hiccup])
@pytest.mark.parametrize("room", [300, 5000])
def test_a_full_disk_stops_the_run_resumably(
    disk: type[Full], room: int, unbroken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it has room again at once: players who ask together are not stopped by the one whose reply could not
    be written, and nothing is written behind half a line."""
    with monkeypatch.context() as patch:
        patch.setattr(log, "os", disk(room))
        with pytest.raises(RunStoppedError, match=r"could not be written.*No space left") as stopped:
            play(tmp_path)
    assert_whole(resume_run(stopped.value.path), unbroken)


def test_interrupt_while_tables_are_derived_is_resumable(unbroken: Run, tmp_path: Path) -> None:
    with pytest.raises(RunStoppedError, match=r"^interrupted") as stopped:
        play(tmp_path, on_event=cut_after(1, RunEnded))
    assert_whole(load_run(stopped.value.path), unbroken)
    assert_whole(resume_run(stopped.value.path), unbroken)


def test_of_two_processes_that_resume_a_run_one_is_refused(unbroken: Run, tmp_path: Path) -> None:
    path = killed(tmp_path, Dying(byte=4000))
    with locked(path), pytest.raises(SocietyError, match="is being run by another process"):
        resume_run(path)
    assert_whole(resume_run(path), unbroken)


def test_a_clock_that_jumps_back_leaves_durations_sane(
    unbroken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.time()
    backwards = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: started - 3600.0 * next(backwards))
    run = play(tmp_path)
    assert_whole(run, unbroken)
    assert (run.calls["latency"] >= 0).all()
    assert (run.episodes["duration"].dropna() >= 0).all()
