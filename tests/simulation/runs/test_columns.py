"""Runs that are played in columns: resumed, split over processes and Ray, spoken to, and told how from the shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents.problems import SocietyError, UsageError
from simulation.engine.batch import processes, workers
from simulation.engine.batch.episode import BatchEpisode
from simulation.engine.batch.processes import ProcessWorker
from simulation.runs.fork import fork_run
from simulation.runs.live import say
from simulation.runs.replay import replay_run
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.runs.session import RunSession
from simulation.store.blocks import EventBlock, takes_blocks
from simulation.store.events import Event, MessageSent, StepResolved
from simulation.tables.run import Run
from tests.support.two_ways import crowd, events_of, rows_of_database, scenario_of

TABLES = ("messages", "decisions", "steps", "outcomes", "episodes", "agents")


def columns_of(**keys: Any) -> dict[str, Any]:
    """Return a scenario that is played in columns, in which some decisions are carried out as others."""
    task = {"task_id": "task", "task_type": "public_goods", "max_steps": 3, "noise": 0.1}
    communication = {"topology": "small_world", "degree": 6}
    return scenario_of(**{"prompts": "off", "communication": communication, "tasks": [task], **keys})


def same(run: Run, other: Run) -> None:
    """Check that two runs have the same events and database."""
    assert events_of(run) == events_of(other)
    assert rows_of_database(run) == rows_of_database(other)


def interrupt_in(episode: int, step: int) -> Any:
    """Return an observer that is interrupted as a step ends."""

    def watch(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (episode, step):
            raise KeyboardInterrupt

    return watch


def test_a_run_that_was_cut_off_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    scenario, roster = columns_of(episodes=3), crowd(40)
    unbroken = run_scenario(scenario, roster=roster, out=tmp_path / "unbroken")
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(scenario, roster=roster, out=tmp_path, on_event=interrupt_in(1, 1))
    resumed = resume_run(stopped.value.path)
    assert [getattr(resumed, name).shape for name in TABLES] == [getattr(unbroken, name).shape for name in TABLES]
    assert resumed.messages.equals(unbroken.messages)
    assert resumed.manifest["tier_mix"] == unbroken.manifest["tier_mix"] == {"simulated": 40 * 2 * 3 * 3}
    assert resumed.outcomes.equals(unbroken.outcomes)
    assert rows_of_database(resumed) == rows_of_database(unbroken)


def test_two_processes_play_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LEAST", 10)
    one, two = (run_scenario(columns_of(), roster=crowd(60), out=tmp_path, jobs=jobs) for jobs in (1, 2))
    same(one, two)


def test_a_worker_that_is_killed_changes_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LEAST", 10)
    started: list[ProcessWorker] = []
    begin = ProcessWorker.__init__

    def note(self: ProcessWorker) -> None:
        begin(self)
        started.append(self)

    monkeypatch.setattr(processes.ProcessWorker, "__init__", note)

    @takes_blocks
    def kill_one(event: Event) -> None:
        if isinstance(event, EventBlock) and event.rows.kind is MessageSent and event.step == 1:
            os.kill(started[0].pid, signal.SIGKILL)

    one = run_scenario(columns_of(), roster=crowd(60), out=tmp_path)
    two = run_scenario(columns_of(), roster=crowd(60), out=tmp_path, jobs=2, on_event=kill_one)
    assert len(started) == 3
    same(one, two)


@pytest.mark.slow
def test_ray_plays_as_one_process_and_replaces_a_lost_actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is an extra: pip install -e '.[ray]'")
    from simulation.runs.answering import RayWorker

    monkeypatch.setattr(workers, "LEAST", 10)
    started: list[Any] = []
    begin = RayWorker.__init__

    def note(self: RayWorker, package: Any) -> None:
        begin(self, package)
        started.append(self._actor)

    monkeypatch.setattr(RayWorker, "__init__", note)

    @takes_blocks
    def kill_one(event: Event) -> None:
        if isinstance(event, EventBlock) and event.rows.kind is MessageSent and event.step == 1:
            os.kill(ray.get(started[0].pid.remote()), signal.SIGKILL)

    one = run_scenario(columns_of(), roster=crowd(60), out=tmp_path)
    cluster = run_scenario(columns_of(), roster=crowd(60), out=tmp_path, jobs=2, engine="ray", on_event=kill_one)
    assert len(started) == 3
    same(one, cluster)


def test_what_is_said_into_a_run_happens_and_is_replayed(tmp_path: Path) -> None:
    places: list[Path] = []

    def speak(event: Event) -> None:
        if isinstance(event, StepResolved) and event.step == 0:
            places.extend(tmp_path.glob("crowd-*"))
            say(places[0], {"mute": True, "to": ["leader_1"]})

    run = run_scenario(columns_of(), roster=crowd(20), out=tmp_path, on_event=speak)
    muted = run.messages[run.messages["sender"] == "leader_1"]
    assert set(muted["step"]) == {0}
    assert list(run.events["source"]) != ["scenario"]
    assert replay_run(run.path, out=tmp_path / "replay").tables_identical


def test_an_observer_sees_every_event_in_the_usual_order(tmp_path: Path) -> None:
    seen: list[Event] = []
    run = run_scenario(columns_of(), roster=crowd(20), out=tmp_path, on_event=seen.append)
    assert not any(isinstance(event, EventBlock) for event in seen)
    assert sum(isinstance(event, MessageSent) for event in seen) == len(run.messages)
    steps = [event.step for event in seen if isinstance(event, (MessageSent, StepResolved))]
    assert steps == sorted(steps)


def test_ray_is_refused_where_nothing_can_be_split(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("society"), "run", "first_contact", "--engine", "ray"]
    done = subprocess.run([*command, "--tier", "simulated"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "--set prompts=off" in done.stderr
    with pytest.raises(UsageError, match="engine"):
        run_scenario("first_contact", tier="simulated", engine="spark", out=tmp_path)


def test_workers_end_with_the_program_that_started_them(tmp_path: Path) -> None:
    script = (
        "from simulation.engine.batch.processes import ProcessWorker\n"
        "import time\nprint(ProcessWorker().pid, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        worker = int(program.stdout.readline())
        program.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_text():
        assert time.monotonic() < deadline, "the worker outlived its program"
        time.sleep(0.05)


def test_an_interrupted_first_step_is_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BatchEpisode, "_moves", fail)
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(columns_of(), roster=crowd(20), out=tmp_path)
    monkeypatch.undo()
    assert len(resume_run(stopped.value.path).messages) == 60


def test_a_run_that_is_killed_at_its_end_was_played_in_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunSession, "end", lambda *_: None)
    killed = run_scenario(columns_of(), roster=crowd(20), out=tmp_path)
    monkeypatch.undo()
    assert killed.manifest["status"] == "running"
    assert resume_run(killed.path).manifest["in_columns"] is True


@pytest.mark.parametrize("kept", ["on", "off"])
def test_a_fork_keeps_a_database_where_its_own_scenario_says_so(kept: str, tmp_path: Path) -> None:
    run = run_scenario(columns_of(oasis_db="off" if kept == "on" else "on"), roster=crowd(40), out=tmp_path)
    fork = fork_run(run.path, at="1.2", set={"oasis_db": kept}, out=tmp_path)
    assert fork.manifest["in_columns"] is True
    assert (fork.path / "oasis.db").exists() == (kept == "on")


def test_a_fork_is_played_in_columns_too(tmp_path: Path) -> None:
    scenario = columns_of(episodes=2)
    run = run_scenario(scenario, roster=crowd(20), out=tmp_path)
    assert run.manifest["in_columns"] is True
    twin = fork_run(run.path, at="1.2", set={"tasks.0.parameters.multiplier": 3}, out=tmp_path)
    before, after = ([event for event in events_of(each) if "step" in event] for each in (run, twin))
    own = next(place for place, event in enumerate(after) if (event["episode"], event["step"]) >= (0, 1))
    assert after[:own] == before[:own]
    assert after != before
    assert twin.calls.empty
    same = fork_run(run.path, at="2.1", out=tmp_path)
    assert events_of(same) == events_of(run)
    still = fork_run(run.path, at="2.1", set={"tasks.0.noise": 0}, out=tmp_path).decisions
    assert still.groupby("episode")["played"].count().gt(0).tolist() == [True, False]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"communication.treatment": "replaced"}, "messages are replaced by others"),
        ({"prompts": "on"}, "its prompts are kept"),
        ({"inference.tiers": ["http", "simulated"]}, "a language model may answer"),
    ],
)
def test_a_fork_that_needs_requests_is_refused(changed: dict[str, Any], reason: str, tmp_path: Path) -> None:
    run = run_scenario(columns_of(), roster=crowd(20), out=tmp_path)
    with pytest.raises(SocietyError, match=f"was played in columns.*{reason}"):
        fork_run(run.path, at="1.2", set=changed, out=tmp_path)


def test_nobody_can_be_asked_afterwards(tmp_path: Path) -> None:
    run = run_scenario(columns_of(), roster=crowd(20), out=tmp_path)
    with pytest.raises(SocietyError, match=r"was played in columns.*models are asked questions"):
        run.ask("leader_1", at=(1, 1), question="How far do you trust the others?", scale=(1, 7))
