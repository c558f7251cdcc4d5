"""Follows a training that is being made: whole lines of its ledger, and the episodes of its update."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from agents.problems import SocietyError
from simulation.plan import Plan
from simulation.runs.folders import at_work
from simulation.tables.run import TRAINING
from simulation.training.ledger import LEDGER
from simulation.training.run import begin_training, config_of, read_plan, train
from simulation.training.tables import load_training
from simulation.watch.follower import GONE, QUIET, Follower
from simulation.watch.terminal import watch_in_terminal
from simulation.watch.training import TrainingFollower, follower_of
from simulation.watch.view import LiveView, WatchStatus
from tests.simulation.cli.test_app import _in_a_folder_of_its_own, society
from tests.simulation.training.conftest import begin, training_plan
from tests.simulation.training.league.test_league import league_plan
from tests.simulation.watch.joined import joined
from tests.simulation.watch.test_follower import read_on
from tests.simulation.watch.test_server import page, views

__all__ = ["_in_a_folder_of_its_own", "begin", "training_plan"]  # fixtures

Begin = Callable[..., Path]
PLAYED = {"method": "reinforce", "updates": 3, "episodes": 3}


def assert_equals_ledger(view: LiveView, folder: Path) -> None:
    assert view.training is not None
    updates = load_training(folder).updates
    last = updates[updates["update"] == updates["update"].max()].set_index("learner")
    assert view.training.update == updates["update"].max()
    assert [row.learner for row in view.training.learners] == list(last.index)
    for row in view.training.learners:
        assert (row.value, row.entropy, row.invalid) == tuple(last.loc[row.learner, ["value", "entropy", "invalid"]])


def test_training_is_followed_while_it_is_made(begin: Begin) -> None:
    """In a thread: views are of whole lines, episodes those of the latest update, and news join to a view."""
    folder, news, rollouts = begin(training=PLAYED), list[LiveView](), set[str]()
    follower = TrainingFollower(folder)
    making = threading.Thread(target=train, args=(folder,))
    making.start()
    while making.is_alive() or follower.status is WatchStatus.RUNNING:
        if follower.poll():
            news.append(follower.news())
        if follower.run is not None:
            rollouts.add(follower.run.parent.name)
    read_on(follower)
    news.append(follower.news())
    assert news[0].progress.status is WatchStatus.RUNNING
    assert news[-1].progress.status is WatchStatus.FINISHED
    assert_equals_ledger(news[-1], folder)
    made = [view.training.update for view in news if view.training is not None]
    assert made == sorted(made)
    assert "0003" in rollouts
    assert news[-1].progress.ended == 3
    assert joined([news[0], *news[1:]]).entries == follower.view().entries
    assert news[-1].training is not None
    assert news[-1].training.left == 0


def test_torn_line_of_a_ledger_is_not_shown(begin: Begin, tmp_path: Path) -> None:
    whole = begin(training={"updates": 4})
    train(whole)
    content, copy = (whole / LEDGER).read_bytes(), tmp_path / "copy"
    copy.mkdir()
    shutil.copy(whole / TRAINING, copy)
    follower = TrainingFollower(copy)
    assert follower.view().training is not None
    cuts = sorted({*range(0, len(content), 97), *(n for n, byte in enumerate(content) if byte == 10), len(content)})
    with at_work(copy):
        for start, end in zip([0, *cuts], cuts, strict=False):
            with (copy / LEDGER).open("ab") as file:
                file.write(content[start:end])
            at = read_on(follower)
            assert at.training is not None
            assert at.training.update == max(0, content[:end].count(b"\n") - 1)
            assert at.progress.status is WatchStatus.RUNNING
    assert read_on(follower).progress.status is WatchStatus.FINISHED
    assert_equals_ledger(follower.view(), whole)


def test_training_without_a_process_is_shown_as_stopped(begin: Begin) -> None:
    folder = begin(training=PLAYED)
    train(folder, updates=2)
    follower = TrainingFollower(folder)

    def status() -> tuple[WatchStatus, str]:
        progress = read_on(follower).progress
        return progress.status, progress.reason

    assert status() == (WatchStatus.RUNNING, "")
    for path in folder.rglob("*.jsonl"):
        os.utime(path, (0, time.time() - 2 * QUIET))
    with at_work(folder):
        assert status() == (WatchStatus.RUNNING, "")  # a long update
    assert status() == (WatchStatus.STOPPED, GONE)
    console = Console(file=io.StringIO(), width=100)
    assert watch_in_terminal(console, follower) is WatchStatus.STOPPED
    assert "society train goes on" in console.file.getvalue()  # type: ignore[attr-defined]
    train(folder)
    assert status() == (WatchStatus.FINISHED, "")


def test_league_that_is_over_early_is_finished(training_plan: Callable[..., Plan], tmp_path: Path) -> None:
    folder = begin_training(league_plan(training_plan, oracle_updates=20, most=4), tmp_path)
    made = train(folder).lines
    follower = TrainingFollower(folder)
    for path in folder.rglob("*.jsonl"):
        os.utime(path, (0, time.time() - 2 * QUIET))
    assert len(made) - 1 < config_of(read_plan(folder)).last_update
    assert read_on(follower).progress.status is WatchStatus.FINISHED


def test_rollout_that_is_played_again_is_followed_from_its_start(begin: Begin) -> None:
    """A cut-off update deletes its run and plays another: the page gets a whole view of the new one."""
    folder = begin(training=PLAYED)
    train(folder, updates=1)
    follower = TrainingFollower(folder)
    read_on(follower)
    follower.news()
    (old,) = (folder / "rollouts" / "0001").glob("[!.]*")
    shutil.move(old, old.with_name("again"))
    assert follower.poll()
    news = follower.news()
    assert news.whole
    assert follower.run == old.with_name("again")


def test_bad_ledger_is_an_error_with_its_line(begin: Begin) -> None:
    folder = begin(training={"updates": 1})
    train(folder)
    (folder / LEDGER).write_bytes((folder / LEDGER).read_bytes() + b"nonsense\n")
    follower = TrainingFollower(folder)
    with pytest.raises(SocietyError, match=r"ledger.jsonl line 3"):
        follower.poll()
    assert follower.view().progress.status is WatchStatus.BROKEN


@pytest.mark.parametrize("method", ["exact", "reinforce"])
def test_watch_command_shows_a_training_of_a_folder(
    begin: Begin, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begin(training={**PLAYED, "method": method})
    train(folder)
    for place in (folder, folder.parent):
        code, out, err = society(capsys, "watch", str(place), "--terminal")
        assert code == 0, err
        assert f"small {folder.name}  finished" in out
        assert "update 3/3" in out
        assert ("episode 3/3" in out) == (method == "reinforce")


def test_newest_of_runs_and_trainings_is_followed(begin: Begin) -> None:
    first, second = begin(training={"updates": 1}), begin(training=PLAYED)
    for number, folder in enumerate((first, second), start=1):
        train(folder)
        os.utime(folder / LEDGER, (number, number))
    assert follower_of(first.parent).path == second
    shutil.copytree(next(second.glob("rollouts/0003/*")), first.parent / "run")
    assert type(follower_of(first.parent)) is Follower


async def test_live_page_streams_a_training(begin: Begin) -> None:
    folder = begin(training=PLAYED)
    async with page(folder) as (address, session):
        making = asyncio.create_task(asyncio.to_thread(train, folder))
        seen = []
        async for _, view in views(session, address):
            seen.append(view)
            if view.progress.status is WatchStatus.FINISHED:
                break
        await making
    assert_equals_ledger(seen[-1], folder)
