"""Replays: the same bytes from the recorded replies, with no server; anything else is found out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.inference.provenance import Tier
from agents.problems import SocietyError, UsageError
from simulation.plan import Plan
from simulation.runs.replay import ReplayError, replay_run
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.scenario import shipped_scenarios
from simulation.store.events import CallMade, Event, StepResolved
from simulation.store.log import EventLog
from tests.simulation.runs.test_runner import oasis_messages

SIMULATED: dict[str, Any] = {"tier": Tier.SIMULATED, "episodes": 2}


@pytest.mark.parametrize("name", shipped_scenarios())
def test_a_replay_is_the_same_bytes(name: str, runs: Path) -> None:
    original = run_scenario(name, **SIMULATED, out=runs)
    replay = replay_run(original.path, out=runs / "again")
    assert replay.log_identical
    assert replay.tables_identical
    assert replay.events > 0
    assert oasis_messages(replay.run) == oasis_messages(original)
    assert replay.run.manifest["tier_mix"] == original.manifest["tier_mix"]


@pytest.mark.parametrize("game", ["public_goods", "strategy"])  # calls of strategy are marked as synthetic
def test_a_run_that_was_resumed_is_replayed_as_if_unbroken(
    game: str, make_plan: Callable[..., Plan], runs: Path
) -> None:
    steps = []

    def interrupt(event: Event) -> None:
        steps.append(event)
        if isinstance(event, StepResolved) and sum(isinstance(each, StepResolved) for each in steps) == 3:
            raise SocietyError("cut off")

    task = {"task_id": "t", "task_type": game, "max_steps": 2}
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(make_plan(episodes=3, tasks=[task]), out=runs, on_event=interrupt)
    with pytest.raises(UsageError, match="society resume"):
        replay_run(stopped.value.path, out=runs)
    original = resume_run(stopped.value.path)
    replay = replay_run(original.path, out=runs / "again")
    assert not replay.log_identical
    assert replay.tables_identical
    assert oasis_messages(replay.run) == oasis_messages(original)


def edited(log: Path, change: Callable[[dict[str, Any]], None], kind: str) -> None:
    """Change the first event of a kind in a log, in place."""
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    change(next(line for line in lines if line["type"] == kind))
    log.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("kind", "change", "found"),
    [
        ("StepResolved", lambda e: e["rows"][0].update(payoff=99.0), "StepResolved episode 1 step 1: rows was"),
        ("MessageSent", lambda e: e.update(text="forged"), "MessageSent episode 1 step 1: text was 'forged'"),
        ("CallMade", lambda e: e["record"].update(prompt_hash="0" * 64), "answers another prompt"),
        ("CallMade", lambda e: e["record"]["key"].update(model_id="stranger"), "the recording has no reply"),
        ("EpisodeEnded", lambda e: e["outcomes"][0].update(reward_earned=1.5), "EpisodeEnded episode 1: outcomes was"),
    ],
)
def test_a_changed_log_is_found_out(
    make_plan: Callable[..., Plan], runs: Path, kind: str, change: Callable[[dict[str, Any]], None], found: str
) -> None:
    original = run_scenario(make_plan(episodes=1), out=runs)
    edited(original.path / EventLog.NAME, change, kind)
    with pytest.raises(ReplayError, match=found):
        replay_run(original.path, out=runs / "again")
    [left] = (runs / "again").iterdir()
    with pytest.raises(UsageError, match="a replay is not resumed"):
        resume_run(left)


def test_observers_see_the_recorded_calls(make_plan: Callable[..., Plan], runs: Path) -> None:
    original = run_scenario(make_plan(), out=runs)
    seen: list[Event] = []
    replay_run(original.path, out=runs / "again", on_event=seen.append)
    assert sum(isinstance(event, CallMade) for event in seen) == len(original.calls)
