"""Processes that want one run, or one name for a run: one has it, the others get an error; nothing is paid twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agents.inference.provenance import Tier
from simulation.plan import Plan
from simulation.report import write_report
from simulation.runs import runner
from simulation.runs.runner import resume_run, run_scenario
from simulation.store import run_directory
from simulation.store.events import Event, StepResolved
from simulation.store.log import EventLog
from simulation.store.run_directory import LOCK, RunStatus
from simulation.tables.run import Run, load_run, read_manifest
from simulation.tables.runs import SkippedRunsWarning, load_runs
from tests.support.forks import DEATH, Child, killed, society
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM
from tests.support.unbroken import assert_so_far, assert_whole, play

ROOT = Path(__file__).parents[3]
ADAPTERS = ("cooperator", "defector", "reciprocator", "SmolLM2-135M-Instruct")
PATIENCE = 120  # seconds; what a test waits for comes much sooner


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return play(tmp_path_factory.mktemp("unbroken"))


def die(event: Event) -> None:
    """Kills the process after the first step."""
    if isinstance(event, StepResolved):
        os._exit(DEATH)


def all_at_once(works: list[Callable[[], object]]) -> list[str]:
    """What comes of all that processes of their own do at the same moment."""
    moment = time.monotonic() + 0.3

    def begin(work: Callable[[], object]) -> object:
        time.sleep(max(0.0, moment - time.monotonic()))
        return work()

    return [child.wait() for child in [Child.start(lambda work=work: begin(work)) for work in works]]


def test_of_many_that_resume_a_run_at_once_one_does_the_work(unbroken: Run, tmp_path: Path) -> None:
    killed(lambda: play(tmp_path, on_event=die))
    (path,) = tmp_path.iterdir()
    said = all_at_once([lambda: society("resume", str(path))] * 4)
    refused = [each for each in said if "code=1" in each]
    assert len(refused) < len(said)
    assert all(f"society: {path} is being run by another process" in each for each in refused)
    assert all("code=0" in each for each in said if each not in refused)
    assert_whole(load_run(path), unbroken)
    assert (path / EventLog.NAME).read_text().count('"RunResumed"') == 1


def test_a_run_that_another_finished_meanwhile_is_left_as_it_is(
    unbroken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = play(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in run.path.rglob("*") if file.name != LOCK}
    seen = iter([{**run.manifest, "status": RunStatus.RUNNING.value}])
    monkeypatch.setattr(runner, "read_manifest", lambda path: next(seen, None) or read_manifest(path))
    assert_whole(resume_run(run.path), unbroken)
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_of_many_that_want_one_name_one_has_it(unbroken: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_directory, "unique_name", lambda name: name)
    arguments = ("run", "first_contact", "--tier", "simulated", "--set", "tasks.0.max_steps=2", "--out", str(tmp_path))
    said = all_at_once([lambda: society(*arguments)] * 4)
    assert sum("code=0" in each for each in said) == 1
    clear = re.compile(rf"code=1, text=.society: {tmp_path}/first_contact cannot be written: .*; name another folder")
    assert all(clear.search(each) for each in said if "code=0" not in each), said
    assert [path.name for path in tmp_path.iterdir()] == ["first_contact"]
    assert_whole(load_run(tmp_path / "first_contact"), unbroken)


def test_a_killed_process_holds_no_lock(unbroken: Run, tmp_path: Path) -> None:
    child = Child.start(lambda: play(tmp_path, on_event=lambda event: time.sleep(PATIENCE)))
    ends = time.monotonic() + PATIENCE
    while not list(tmp_path.glob(f"[!.]*/{LOCK}")) and time.monotonic() < ends:
        time.sleep(0.01)
    (path,) = tmp_path.glob("[!.]*")
    time.sleep(0.2)
    said = Child.start(lambda: society("resume", str(path))).wait()
    os.kill(child.process, signal.SIGKILL)
    assert child.end()[0] == -signal.SIGKILL
    assert "is being run by another process" in said
    assert (path / LOCK).exists()
    assert_whole(resume_run(path), unbroken)


@pytest.fixture
def server() -> Iterator[ScriptedVLLM]:
    with in_thread(ScriptedVLLM(ADAPTERS)) as listening:
        yield listening


def resuming(path: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "simulation.cli.app", "resume", str(path)]
    return subprocess.Popen(
        line, cwd=path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=-1, stderr=-1, text=True
    )


@pytest.mark.slow
def test_run_resumed_by_two_commands_can_be_read(server: ScriptedVLLM, tmp_path: Path) -> None:
    plan = Plan.load("first_contact", {"tasks.0.max_steps": "2"})
    options = {"tier": Tier.HTTP, "episodes": 2, "endpoints": (server.url,)}
    unbroken = run_scenario(plan, **options, out=tmp_path / "unbroken")
    asked = len(server.bodies)
    killed(lambda: run_scenario(plan, **options, out=tmp_path / "runs", on_event=die))
    (path,) = (tmp_path / "runs").iterdir()
    server.delay = 1.0
    with resuming(path) as one, resuming(path) as other:
        ends = time.monotonic() + PATIENCE
        while one.poll() is None and other.poll() is None and time.monotonic() < ends:
            time.sleep(0.02)
        refused, working = (one, other) if one.poll() is not None else (other, one)
        assert working.poll() is None  # at once: the other has not finished
        assert refused.returncode == 1
        assert refused.communicate() == ("", f"society: {path} is being run by another process\n")

        assert_so_far(load_run(path), unbroken)
        with pytest.warns(SkippedRunsWarning, match=r"is not finished \(running\)"):
            assert len(load_runs(tmp_path)) == 1
        assert write_report([path], tmp_path / "report.html").stat().st_size > 10_000
        assert working.poll() is None
        server.delay = 0.0
        out, err = working.communicate(timeout=PATIENCE)
        assert (working.returncode, out.splitlines()[-1]) == (0, str(path)), err
    assert_whole(load_run(path), unbroken)
    assert len(server.bodies) == 2 * asked  # each was paid for once, by whichever process
