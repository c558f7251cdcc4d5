"""What people say into a run from another process: taken before the next step, recorded, and replayed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.problems import UsageError
from simulation import fork_run, replay_run
from simulation.plan import Plan
from simulation.runs.live import say
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import EpisodeStarted, Event, StepResolved
from simulation.store.inbox import FILE, Inbox, put
from simulation.tables.run import Run, load_run

MakePlan = Callable[..., Plan]
COMMAND = [sys.executable, "-c", "from simulation.cli.start import main; main()", "say"]


def spoken_to(make_plan: MakePlan, runs: Path, *words: str, stop: bool = False) -> Run:
    """A run to which another process says something in its first step."""
    plan = make_plan(4, mode="cooperative", episodes=2)

    def listen(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (0, 0):
            (path,) = {file.parent for file in runs.glob("*/manifest.json")}
            subprocess.run([*COMMAND, str(path), *words], check=True, capture_output=True)
        if stop and isinstance(event, EpisodeStarted) and event.episode == 1:
            raise KeyboardInterrupt

    return run_scenario(plan, out=runs, on_event=listen)


def test_said_text_is_shown_in_the_next_step(make_plan: MakePlan, runs: Path) -> None:
    run = spoken_to(make_plan, runs, "Hurry up.", "--who", "m2")
    rows = run.prompts[run.prompts["user"].str.contains("Hurry up.", regex=False)]
    assert set(zip(rows["episode"], rows["step"], rows["model_id"], strict=True)) == {(0, 1, "m2")}
    (row,) = run.events.to_dict("records")
    assert (row["episode"], row["step"], row["kind"]) == (0, 1, "show")
    assert len(row["source"]) == 8


def test_said_event_is_replayed_to_the_byte(make_plan: MakePlan, runs: Path, tmp_path: Path) -> None:
    run = spoken_to(make_plan, runs, "--event", "{mute: true, to: [m0]}")
    assert set(run.messages.query("episode == 0 and step == 1")["sender"]) == {"m1", "m2", "m3"}
    replay = replay_run(run.path, out=tmp_path / "again")
    assert replay.log_identical
    assert replay.tables_identical


def test_resumed_run_takes_what_was_said_once(make_plan: MakePlan, runs: Path) -> None:
    with pytest.raises(RunStoppedError) as stopped:
        spoken_to(make_plan, runs, "Hurry up.", stop=True)
    run = resume_run(stopped.value.path)
    assert [(row.episode, row.step) for row in run.events.itertuples()] == [(0, 1)]


def test_votes_said_into_a_game_are_left_out(make_plan: MakePlan, runs: Path) -> None:
    run = spoken_to(make_plan, runs, "--event", "{vote: {item: 1, likes: 2}}")
    assert run.manifest["status"] == "finished"
    assert run.events.empty


def test_saying_that_reaches_nobody_is_left_out(make_plan: MakePlan, runs: Path, tmp_path: Path) -> None:
    run = spoken_to(make_plan, runs, "--event", "{show: Hm., to: 0.01}")
    assert run.events.empty
    assert replay_run(run.path, out=tmp_path / "again").log_identical


def test_twice_interrupted_run_keeps_what_was_said(make_plan: MakePlan, runs: Path) -> None:
    """The first resumed session dies before it repeats the step in which somebody spoke."""

    def listen(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (0, 0):
            (path,) = {file.parent for file in runs.glob("*/manifest.json")}
            say(path, {"show": "Hurry up."})
        if isinstance(event, StepResolved) and (event.episode, event.step) == (0, 1):
            raise KeyboardInterrupt

    def die(event: Event) -> None:
        if isinstance(event, EpisodeStarted):
            raise KeyboardInterrupt

    plan = make_plan(4, mode="cooperative", tasks=[{"task_id": "g", "task_type": "public_goods", "max_steps": 4}])
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan, out=runs, on_event=listen)
    with pytest.raises(RunStoppedError):
        resume_run(stopped.value.path, on_event=die)
    run = resume_run(stopped.value.path)
    assert [(row.episode, row.step, row.kind) for row in run.events.itertuples()] == [(0, 1, "show")]


def test_fork_can_be_spoken_to(make_plan: MakePlan, runs: Path, tmp_path: Path) -> None:
    run = run_scenario(make_plan(4, mode="cooperative"), out=runs)
    twins = tmp_path / "twins"

    def listen(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (1, 0):
            (path,) = {file.parent for file in twins.glob("*/manifest.json")}
            say(path, {"show": "Hello, twin."})

    twin = fork_run(run.path, at="1.2", out=twins, on_event=listen)
    assert [(row.episode, row.step) for row in twin.events.itertuples()] == [(1, 1)]


def test_ended_run_cannot_be_spoken_to(make_plan: MakePlan, runs: Path) -> None:
    run = run_scenario(make_plan(), out=runs)
    with pytest.raises(UsageError, match="is finished: only a run that is being played"):
        say(run.path, {"show": "Too late."})


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"set": {"multiplier": 2}}, "set cannot be said into a run"),
        ({"show": "a", "to": ["nobody"]}, "no model of the run is called nobody"),
        ({"shout": "a"}, "Extra inputs|says nothing"),
    ],
)
def test_wrong_saying_is_refused(make_plan: MakePlan, runs: Path, event: dict[str, object], said: str) -> None:
    refused: list[str] = []

    def speak(happened: Event) -> None:
        if isinstance(happened, EpisodeStarted) and happened.episode == 0:
            (path,) = {file.parent for file in runs.glob("*/manifest.json")}
            with pytest.raises(UsageError, match=said) as caught:
                say(path, event)
            refused.append(str(caught.value))

    run_scenario(make_plan(), out=runs, on_event=speak)
    assert refused
    assert load_run(next(runs.iterdir())).events.empty


def test_inbox_leaves_torn_and_foreign_lines(tmp_path: Path) -> None:
    first = put(tmp_path, {"show": "a"})
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'not json\n{"id": "x", "event": {"show')
    inbox = Inbox(tmp_path)
    assert [name for name, _ in inbox.take()] == [first]
    second = put(tmp_path, {"show": "b"})  # the torn line is dropped
    assert [name for name, _ in inbox.take()] == [second]
    assert list(inbox.take()) == []


def test_inbox_skips_what_was_taken(tmp_path: Path) -> None:
    first, second = (put(tmp_path, {"show": text}) for text in "ab")
    assert [name for name, _ in Inbox(tmp_path, {first}).take()] == [second]
