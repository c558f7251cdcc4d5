"""A real disk that fills up: the run stops and says why, what stands there is read rightly, and once there is room the
run goes on as if nothing had been. Where no disk may be mounted, a limit on the size of files does what it can."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.inference.provenance import Purpose
from agents.oasis_import import OASIS_LOGGERS
from agents.problems import SocietyError
from simulation.engine import oasis_platform
from simulation.plan import Plan
from simulation.runs import run_set
from simulation.runs.folders import begun_runs
from simulation.runs.runner import Observer, RunStoppedError, resume_run
from simulation.store.events import CallMade, Event, RunEnded, SocialActed
from simulation.studies.tournament.tournament import new_tournament
from simulation.tables.run import Run, load_run
from tests.simulation.studies.tournament.test_tournament import make, rows_of
from tests.support import forks
from tests.support import unbroken as small
from tests.support.forks import in_child, killed, society
from tests.support.unbroken import assert_so_far, assert_whole

ACTS = "[create_post, like_post]"
SIZES = range(4, 230, 12)  # kB: from not even a manifest to all but the last table


def play(out: Path, on_event: Observer | None = None) -> Run:
    return small.play(out, steps=1, on_event=on_event, communication__social_actions=ACTS)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("unbroken"))


@pytest.fixture(scope="module")
def own_disks() -> None:
    """Skips where a test may not mount a disk of its own."""
    refused = forks.mounts_refused()
    if refused:
        pytest.skip(f"NOT TESTED ON A REAL DISK: nothing may be mounted here ({refused})")


def assert_stops_and_goes_on(out: Path, make_room: Callable[[], object], unbroken: Run) -> str:
    """Why a run in `out` stopped. What it left is read, and resumed once there is room."""
    with pytest.raises(SocietyError) as stopped:
        play(out)
    begun = begun_runs(out)
    assert [path.name for path in out.rglob(".*part")] == []
    if begun:
        assert_so_far(load_run(begun[0]), unbroken)
        with pytest.raises(RunStoppedError):
            resume_run(begun[0])
        make_room()
        resume_run(begun[0])
        assert_whole(load_run(begun[0]), unbroken)
    return str(stopped.value)


@pytest.mark.slow
@pytest.mark.usefixtures("own_disks")
def test_a_disk_of_any_size_that_fills_up(unbroken: Run, tmp_path: Path) -> None:
    for kilobytes in SIZES:
        _on_a_disk(kilobytes, unbroken, tmp_path)


@pytest.mark.usefixtures("own_disks")
@pytest.mark.parametrize(
    ("kilobytes", "text"),
    [
        (0, r"first_contact-\S+ cannot be written: No space left on device; make room on its disk"),
        (80, r"the run could not be written: No space left on device; make room on its disk"),  # in oasis.db
        (148, r"the run could not be written: No space left on device; make room on its disk"),  # in a line of the log
        (200, r"the run could not be written: No space left on device; make room on its disk"),  # in a table
    ],
)
def test_what_a_disk_that_fills_up_is_told_as(kilobytes: int, text: str, unbroken: Run, tmp_path: Path) -> None:
    assert re.search(text, _on_a_disk(kilobytes, unbroken, tmp_path))


def _on_a_disk(kilobytes: int, unbroken: Run, tmp_path: Path) -> str:
    disk = tmp_path / "disk"

    def work() -> str:
        forks.own_mounts()
        forks.small_disk(disk, f"{kilobytes or 4}k")
        if not kilobytes:
            (disk / "others").write_bytes(bytes(4096))
        return assert_stops_and_goes_on(disk, lambda: forks.resize(disk, "16m"), unbroken)

    return in_child(work)


@pytest.mark.usefixtures("own_disks")
def test_the_command_on_a_disk_that_fills_up(unbroken: Run, tmp_path: Path) -> None:
    def work() -> None:
        forks.own_mounts()
        forks.small_disk(tmp_path, "140k")
        begun = society(
            "run", "first_contact", "--tier", "simulated", "--set", "tasks.0.max_steps=1", "--out", str(tmp_path)
        )
        assert begun.code == 1
        assert "No space left on device; make room on its disk" in begun.text
        assert "Traceback" not in begun.text
        forks.resize(tmp_path, "16m")
        resumed = re.search(r"society (resume) (\S+)", begun.text)
        assert resumed is not None
        assert society(*resumed.groups()).code == 0
        assert len(load_run(resumed[2]).outcomes) == len(unbroken.outcomes)

    in_child(work)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (2_000, r"first_contact-\S+ cannot be written: File too large; raise the limit on the size of files"),
        (9_000, r"the run could not be written: File too large; raise the limit on the size of files"),
        (60_000, r"oasis\.db could not be written: (disk I/O error|database or disk is full); make room on its disk"),
        (90_000, r"oasis\.db could not be written: (disk I/O error|database or disk is full); make room on its disk"),
    ],
)
def test_a_limit_on_the_size_of_files(limit: int, text: str, unbroken: Run, tmp_path: Path) -> None:
    """It takes no right to mount: manifest, log and oasis.db are cut off where they would grow beyond it."""

    def work() -> str:
        forks.limit_files(limit, die=False)
        return assert_stops_and_goes_on(tmp_path, forks.unlimit_files, unbroken)

    assert re.search(text, in_child(work))


def test_what_the_disk_refuses_oasis_is_nobodys_failed_action(unbroken: Run, tmp_path: Path) -> None:
    """OASIS takes it for one and goes on. The disk has room again before anything else is written."""

    def work() -> str:
        asked = iter(range(3))

        def watch(event: Event) -> None:
            if isinstance(event, CallMade) and event.record.key.purpose is Purpose.ACT and next(asked, None) is None:
                forks.limit_files(1, die=False)
            elif isinstance(event, (SocialActed, RunEnded)):
                forks.unlimit_files()

        with pytest.raises(RunStoppedError) as stopped:
            play(tmp_path, watch)
        forks.unlimit_files()
        assert forks.open_files(tmp_path) == []
        assert_so_far(load_run(stopped.value.path), unbroken)
        assert_whole(resume_run(stopped.value.path), unbroken)
        return str(stopped.value)

    assert re.search(r"oasis\.db could not be written", in_child(work))


def _begun_set(out: Path) -> None:
    run_set.begin("trial", "small", {"arm": Plan.load("first_contact", {})}, out)


def _begun_tournament(out: Path) -> None:
    new_tournament(make(rows_of("always_defect", "tit_for_tat")), out)


@pytest.mark.parametrize("begin", [_begun_set, _begun_tournament])
def test_a_folder_of_many_runs_stands_whole_or_not_at_all(begin: Callable[[Path], None], tmp_path: Path) -> None:
    def work() -> str:
        forks.limit_files(100, die=False)
        with pytest.raises(SocietyError) as refused:
            begin(tmp_path)
        return str(refused.value)

    assert re.search(rf"{tmp_path}/t\S+ cannot be written: File too large; raise the limit", in_child(work))
    assert list(tmp_path.iterdir()) == []
    killed(lambda: forks.limit_files(100, die=True) or begin(tmp_path))  # type: ignore[func-returns-value]
    assert [path.name[0] for path in tmp_path.iterdir()] == ["."]


def test_a_society_that_the_disk_lets_nobody_join_is_taken_down(unbroken: Run, tmp_path: Path) -> None:
    def work() -> str:
        create = oasis_platform.create_database

        def create_and_fill(path: str, page: int) -> object:
            made = create(path, page)
            forks.limit_files(1, die=False)
            return made

        oasis_platform.create_database = create_and_fill  # type: ignore[assignment]
        with pytest.raises(RunStoppedError) as stopped:
            play(tmp_path, lambda event: isinstance(event, RunEnded) and forks.unlimit_files())
        assert [logging.getLogger(name).handlers for name in OASIS_LOGGERS] == [[]] * len(OASIS_LOGGERS)
        oasis_platform.create_database = create
        assert_whole(resume_run(stopped.value.path), unbroken)
        return str(stopped.value)

    assert re.search(r"oasis\.db could not be written", in_child(work))
