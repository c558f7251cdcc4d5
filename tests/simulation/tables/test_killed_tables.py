"""A run killed anywhere else than in its event log: at every touch of the file system, and inside the writing of a
table, the manifest and oasis.db. What can be read is right, and resuming it gives the run that was never killed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from agents.problems import SocietyError
from simulation.runs.folders import begun_runs
from simulation.runs.runner import Observer, RunStoppedError, resume_run
from simulation.store.events import CallMade, EpisodeEnded, Event
from simulation.tables.columns import OPTIONAL_TABLES, TABLES, TableName
from simulation.tables.parquet import read_stored, stored_file
from simulation.tables.run import Run, load_run
from simulation.tables.runs import load_runs
from simulation.watch.follower import find_run
from tests.simulation.runs.test_runner import cut_after
from tests.support import unbroken as small
from tests.support.forks import Touched, in_child, killed, limit_files
from tests.support.unbroken import assert_so_far, assert_whole

FRESH, ENDING = "os.rename .manifest.json.part", "os.mkdir .tables.part"
ACTS = "[create_post, like_post]"


def play(out: Path, on_event: Observer | None = None) -> Run:
    return small.play(out, steps=1, on_event=on_event, communication__social_actions=ACTS)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("unbroken"))


def touches(root: Path, work: Callable[[], object]) -> list[str]:
    """What `work` does to the file system below `root`, in order."""

    def listed() -> str:
        touched = Touched(root)
        work()
        return "\n".join(touched.names)

    return in_child(listed).splitlines()


def kill_at(number: int, root: Path, work: Callable[[], object]) -> None:
    def dying() -> None:
        Touched(root, last=number)
        work()

    killed(dying)


def assert_mended(out: Path, unbroken: Run) -> None:
    """What a kill left in `out` is read rightly as it is, and its run resumed is whole; or there is none."""
    begun = begun_runs(out)
    if not begun:
        with pytest.raises(SocietyError, match=r"no run to load|no such folder"):
            load_runs(out)
        assert find_run(out) is None
        return
    before = load_run(begun[0])
    assert_so_far(before, unbroken)
    resume_run(begun[0])
    assert_whole(load_run(begun[0]), unbroken)
    assert len(load_runs(out).outcomes) == len(unbroken.outcomes)
    assert [path.name for path in begun[0].rglob("*part*")] == []


def test_a_kill_at_any_touch_of_a_run_that_ends(unbroken: Run, tmp_path: Path) -> None:
    names = touches(tmp_path, lambda: play(tmp_path / "listed"))
    first = names.index(ENDING) + 1
    assert names[-2].startswith(FRESH)
    for number in range(first, len(names) + 1):
        out = tmp_path / str(number)
        kill_at(number, tmp_path, lambda out=out: play(out))
        assert_mended(out, unbroken)


@pytest.mark.slow
def test_a_kill_at_any_touch_of_a_run_that_begins(unbroken: Run, tmp_path: Path) -> None:
    names = touches(tmp_path, lambda: play(tmp_path / "listed"))
    for number in range(1, names.index(ENDING) + 1):
        out = tmp_path / str(number)
        kill_at(number, tmp_path, lambda out=out: play(out))
        assert_mended(out, unbroken)


@pytest.mark.slow
def test_a_kill_at_any_touch_of_a_resumed_run(unbroken: Run, tmp_path: Path) -> None:
    """A run stopped after its first episode, with tables of that, is taken up again; that session is killed too."""
    with pytest.raises(RunStoppedError) as stopped:
        play(tmp_path / "stopped", on_event=cut_after(1, EpisodeEnded))
    cut = stopped.value.path
    shutil.copytree(cut, tmp_path / "listed/run")
    names = touches(tmp_path, lambda: resume_run(tmp_path / "listed/run"))
    assert names.count("os.remove outcomes.parquet") == 1
    for number in range(1, len(names) + 1):
        out = tmp_path / str(number)
        shutil.copytree(cut, out / "run")
        kill_at(number, tmp_path, lambda out=out: resume_run(out / "run"))
        assert_mended(out, unbroken)


class Vanishing(type(Path())):  # type: ignore[misc]
    """A file that a resumed run takes away once it was found."""

    def exists(self) -> bool:
        there: bool = super().exists()
        self.unlink()
        return there


def test_table_that_a_resume_removed_is_derived(unbroken: Run, tmp_path: Path) -> None:
    shutil.copytree(unbroken.path, tmp_path / "run")
    assert read_stored(Vanishing(stored_file(tmp_path / "run", TableName.CALLS)), TABLES[TableName.CALLS]) is None
    assert_whole(load_run(tmp_path / "run"), unbroken)


def _killed_in_a_write(out: Path, before: str, nth: int, size: int) -> None:
    """Plays in `out` until a file that is written after the `nth` touch `before` would grow beyond `size` bytes."""

    def dying() -> None:
        left = iter(range(nth - 1))

        def seen(name: str) -> None:
            if name == before and next(left, None) is None:
                limit_files(size, die=True)

        Touched(out, seen=seen)
        play(out)

    killed(dying)


@pytest.mark.slow
def test_a_kill_inside_the_writing_of_any_table(unbroken: Run, tmp_path: Path) -> None:
    draw = random.Random(11)
    sizes = sorted(file.stat().st_size for file in (unbroken.path / "tables").iterdir())
    for size in (1, 4, *(draw.randrange(*between) for between in pairwise(sizes))):
        out = tmp_path / str(size)
        _killed_in_a_write(out, ENDING, 1, size)
        assert_mended(out, unbroken)


def test_a_kill_inside_the_writing_of_the_manifest(unbroken: Run, tmp_path: Path) -> None:
    whole = (unbroken.path / "manifest.json").stat().st_size
    for nth in (1, 2, 3):  # made, taken up, ended
        out = tmp_path / str(nth)
        _killed_in_a_write(out, "open .manifest.json.part", nth, whole // 2)
        torn = next(out.rglob(".manifest.json.part"))
        assert torn.stat().st_size == whole // 2
        assert_mended(out, unbroken)


@pytest.mark.slow
def test_a_kill_inside_a_step_of_oasis_keeps_whole_steps_only(unbroken: Run, tmp_path: Path) -> None:
    """A step is what is done from one talk to the next: its messages, and what was done in the network before."""
    draw, whole = random.Random(5), Kept.of(unbroken.path)
    steps = [Kept([], []), Kept(whole.messages[:4], []), Kept(whole.messages, whole.posts[:4]), whole]
    log, size = ((unbroken.path / name).stat().st_size for name in ("events.jsonl", "oasis.db"))
    cut, last = 0, size * 3 // 4  # beyond are pages that no step writes
    for number in range(16):
        out = tmp_path / str(number)

        def dying(
            out: Path = out, room: int = draw.randrange(log // 2, last), calls: int = draw.randrange(1, 16)
        ) -> None:
            left = iter(range(calls))

            def watch(event: Event) -> None:
                if isinstance(event, CallMade) and next(left, None) is None:
                    limit_files(room, die=True)

            play(out, on_event=watch)

        killed(dying)
        run = next(out.iterdir())
        cut += (run / "oasis.db-journal").exists()
        shutil.copytree(run, tmp_path / f"read {number}")
        assert Kept.of(tmp_path / f"read {number}") in steps
        assert_mended(out, unbroken)
        assert Kept.of(run) == whole
    assert cut > 0


@dataclass(frozen=True)
class Kept:
    """What a sound oasis.db keeps of what was said and done, in order."""

    messages: list[tuple[object, ...]]
    posts: list[tuple[object, ...]]

    @classmethod
    def of(cls, run: Path) -> Kept:
        with closing(sqlite3.connect(run / "oasis.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            messages = database.execute(
                "SELECT message_id, group_id, sender_id, content FROM group_messages ORDER BY 1"
            )
            posts = database.execute("SELECT post_id, user_id, content FROM post ORDER BY 1")
            return cls(messages.fetchall(), posts.fetchall())


def test_tables_are_on_disk_before_the_run_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_over: list[str] = []

    def synced(descriptor: int) -> None:
        handed_over.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real(descriptor)

    real = os.fsync
    monkeypatch.setattr(os, "fsync", synced)
    play(tmp_path)
    tables = {f"{name.value}.parquet" for name in set(TABLES) - OPTIONAL_TABLES}
    last = handed_over.index(".manifest.json.part", max(map(handed_over.index, tables)))
    assert tables <= set(handed_over[:last])
    assert handed_over[last:] == [".manifest.json.part"]
