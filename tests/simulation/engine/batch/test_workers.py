"""Answers that workers compute are those of one process, also where a worker is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest

from agents.language import Language
from agents.problems import SocietyError
from agents.strategy import TrainingMode
from simulation import games
from simulation.engine.batch import workers
from simulation.engine.batch.answering import Answers, AskedFor, StepQuestion, answers
from simulation.engine.batch.answers import Cast, parts_of
from simulation.engine.batch.hearing import Heard
from simulation.engine.batch.processes import ProcessWorker, write_frame
from simulation.engine.batch.workers import NO_STATE, Desk, LostWorkerError, SplitAnswering, packed
from simulation.games import find_game, task_types
from simulation.games.base import Setting
from simulation.seats import Seat
from simulation.seeds import stream
from tests.support.two_ways import crowd

PLAYERS = 60
ROWS = crowd(PLAYERS).expand()


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LEAST", 10)


def cast(game_of: str = "public_goods") -> Cast:
    setting = Setting(tuple(Seat(row.model_id, row.team_id) for row in ROWS), max_steps=3)
    game = find_game(game_of)(setting)
    return Cast(game, parts_of(ROWS), Language.EN, TrainingMode.COOPERATIVE, seed=1, episode=0)


def question(of: Cast, asked: AskedFor = AskedFor.MESSAGES) -> StepQuestion:
    state = of.game.start(stream(1, "game", 0))
    return StepQuestion(asked, state, range(PLAYERS), Heard(), ())


def told(found: Answers) -> list[object]:
    return [found.values[code] for code in found.codes]


@pytest.fixture
def split() -> Iterator[SplitAnswering]:
    with closing(SplitAnswering(ProcessWorker, 3)) as made:
        yield made


@pytest.mark.parametrize("asked", list(AskedFor))
async def test_three_workers_answer_as_one_process(split: SplitAnswering, asked: AskedFor) -> None:
    of = cast()
    for _ in range(2):
        assert told(await split.answer(of, question(of, asked))) == told(answers(of, question(of, asked)))


async def test_a_new_cast_and_state_reach_the_workers(split: SplitAnswering) -> None:
    first, second = cast(), cast()
    object.__setattr__(second, "seed", 2)
    said = [told(await split.answer(each, question(each))) for each in (first, second, first)]
    assert said[0] == said[2] != said[1]


async def test_a_killed_workers_part_is_computed_again(split: SplitAnswering, caplog: pytest.LogCaptureFixture) -> None:
    of = cast()
    before = told(await split.answer(of, question(of)))
    victim = split._workers[1]
    assert isinstance(victim, ProcessWorker)
    os.kill(victim.pid, signal.SIGKILL)
    assert told(await split.answer(of, question(of))) == before
    assert "its part of the step is being computed again" in caplog.text
    assert split._workers[1] is not victim


class DyingWorkerStub:
    """A worker that has always died."""

    def submit(self, order: bytes) -> None:
        raise LostWorkerError("gone")

    def result(self) -> object:
        raise LostWorkerError("gone")

    def end(self) -> None:
        pass


async def test_workers_that_keep_dying_stop_the_run() -> None:
    of = cast()
    with pytest.raises(SocietyError, match="5 worker processes died in a row"):
        await SplitAnswering(DyingWorkerStub, 2).answer(of, question(of))


async def test_ending_the_workers_starts_no_other(caplog: pytest.LogCaptureFixture) -> None:
    of, split = cast(), SplitAnswering(DyingWorkerStub, 2)
    split.close()
    with pytest.raises(SocietyError, match="the workers were ended"):
        await split.answer(of, question(of))
    assert "computed again" not in caplog.text


async def test_workers_that_start_as_the_run_ends_are_ended() -> None:
    started: list[EndedWorkerStub] = []
    ending: list[threading.Thread] = []

    def make() -> EndedWorkerStub:
        if not ending:
            ending.append(threading.Thread(target=split.close))
            ending[0].start()
            ending[0].join(0.2)
        started.append(EndedWorkerStub())
        return started[-1]

    of, split = cast(), SplitAnswering(make, 2)
    with pytest.raises(SocietyError, match="the workers were ended"):
        await split.answer(of, question(of))
    ending[0].join()
    assert [worker.ended.is_set() for worker in started] == [True, True]


class EndedWorkerStub(DyingWorkerStub):
    """A worker that answers nothing until it is ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def result(self) -> object:
        self.ended.wait(20)
        raise LostWorkerError("ended")

    def end(self) -> None:
        self.ended.set()


def test_a_worker_whose_parent_was_killed_ends_without_a_word() -> None:
    of, command = cast(), [sys.executable, "-m", "simulation.engine.batch.worker"]
    worker = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdout.close()  # nobody reads its answers
    asked = question(of)
    for order in (of, asked.state, replace(asked, state=NO_STATE)):
        write_frame(worker.stdin, packed(order))
    assert worker.communicate()[1] == b""
    assert worker.returncode == -signal.SIGPIPE


async def test_few_players_are_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LEAST", PLAYERS)
    of = cast()
    found = await SplitAnswering(DyingWorkerStub, 2).answer(of, question(of))
    assert told(found) == told(answers(of, question(of)))


FAULTY = """
from simulation.games.public_goods import PublicGoods


class Faulty(PublicGoods):
    task_type = "faulty"

    def observe(self, state, player, language):
        return {}[player]


GAME = Faulty
"""


@pytest.fixture
def _faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes known a game of one's own that fails."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    monkeypatch.setattr(games, "__path__", [*games.__path__, str(tmp_path)])
    task_types.cache_clear()
    yield
    sys.modules.pop("simulation.games.faulty", None)
    monkeypatch.undo()
    task_types.cache_clear()


@pytest.mark.usefixtures("_faulty")
def test_a_worker_names_the_fault_in_a_game_of_ones_own() -> None:
    of, desk = cast("faulty"), Desk()
    asked = question(of)
    found = [desk.carry_out(packed(order)) for order in (of, asked.state, replace(asked, state=NO_STATE))]
    assert found[:2] == [None, None]
    assert isinstance(found[2], SocietyError)
    assert re.search(r"faulty\.py:9: the game failed in observe: KeyError: 0$", str(found[2]))


def test_joined_parts_are_the_whole() -> None:
    parts = [Answers(np.array([0, 1, 0], dtype=np.int32), ["a", "b"]), Answers(np.array([0], dtype=np.int32), ["b"])]
    assert told(Answers.joined(parts)) == ["a", "b", "a", "b"]
