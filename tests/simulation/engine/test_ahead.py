"""Players that wait only for those that they hear and see: the results are those of players who wait for everyone."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.inference.client import VLLMClient
from agents.inference.provenance import Provenance, Purpose, Reply, Request, Tier
from agents.problems import SocietyError
from agents.roster import ModelConfig
from simulation import fork_run, replay_run
from simulation.engine.environment import MultiModelEnvironment
from simulation.plan import Plan
from simulation.runs.live import say
from simulation.runs.runner import RunStoppedError, resume_run, run_scenario
from simulation.store.events import CallMade, DecisionMade, Event, StepResolved
from simulation.store.log import EventLog, read_events
from simulation.tables.run import Run
from simulation.task import TrainingTask
from simulation.topology.communication import Communication
from tests.conftest import models
from tests.support.unbroken import assert_whole

MakePlan = Callable[..., Plan]
Delay = Callable[[Request], Awaitable[None]]
STORED = {
    "chat_group": "group_id, name",
    "group_members": "group_id, agent_id",
    "group_messages": "message_id, group_id, sender_id, content, sent_at",
    "trace": "user_id, created_at, action, info",
}
TASK = {"task_id": "t", "max_steps": 5}
PLAYED = (
    ("opinion", {"topology": "ring"}, {}),
    ("opinion", {"topology": "small_world", "talk_rounds": 2, "inbox_limit": 1}, {"mode": "team_battle"}),
    (
        "opinion",
        {"topology": "scale_free", "words": ["up", "down"]},
        {"memory": {"window": 2, "summary": {"every": 2}}},
    ),
    ("prisoners_dilemma", {"topology": "ring"}, {"memory": {"window": 3}}),
    ("prisoners_dilemma", {"topology": "ring", "message_budget": 2}, {"mode": "competitive"}),
    ("prisoners_dilemma", {"topology": "ring"}, {"tasks": [{**TASK, "task_type": "prisoners_dilemma", "noise": 0.3}]}),
    ("prisoners_dilemma", {"topology": ["m0 -> m1", "m1 -> m2", "m2 -> m0", "m4 -> m3"]}, {}),
    ("matrix_game", {"topology": "ring", "talk_rounds": 0}, {}),
    ("trust", {"topology": "star"}, {"language": "zh"}),
    ("signalling", {"topology": "ring", "treatment": "silenced", "senders": ["m1", "m4"]}, {}),
    ("stag_hunt", {"topology": "ring", "treatment": "silenced"}, {}),
    ("public_goods", {"topology": "ring"}, {}),
    ("kuhn_poker", {"topology": "ring", "talk_rounds": 2}, {}),
    ("prisoners_dilemma", {"treatment": "replaced", "topology": "ring"}, {}),
    ("prisoners_dilemma", {"addressing": "chosen", "topology": "ring"}, {}),
    (
        "chicken",
        {"topology": "ring"},
        {
            "events": [
                {"at": "*.2", "show": "The bridge is closed."},
                {"at": "*.3", "mute": True, "to": ["m2"]},
                {"at": "2.4", "mute": False, "to": ["m2"]},
            ],
            "surveys": [{"at": ["*.2", "*.last"], "ask": "Who leads?"}],
        },
    ),
)


@pytest.fixture
def latencies(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives every reply of the simulated tier a latency of its own, long-tailed and drawn anew by each seed."""
    generate = VLLMClient.generate

    def use(seed: int) -> None:
        rng = random.Random(seed)

        async def slow(client: VLLMClient, request: Request) -> Reply:
            await asyncio.sleep(0.002 * rng.lognormvariate(0, 1))
            return await generate(client, request)

        monkeypatch.setattr(VLLMClient, "generate", slow)

    return use


def plan_of(make_plan: MakePlan, game: str, communication: dict[str, Any], keys: dict[str, Any], stepping: str) -> Plan:
    tasks = [{**TASK, "task_type": game}]
    communication = {**communication, "stepping": stepping}
    return make_plan(6, **{"mode": "cooperative", "tasks": tasks, "communication": communication, **keys})


def log_of(run: Run) -> list[Event]:
    """The events in their order, without calls and without what is measured."""
    events = [event for event in read_events(run.path / EventLog.NAME) if not isinstance(event, CallMade)]
    return [replace(event, duration=None) if hasattr(event, "duration") else event for event in events]


def stored(run: Run) -> dict[str, list[Any]]:
    with sqlite3.connect(run.path / "oasis.db") as database:
        return {
            table: database.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
            for table, columns in STORED.items()
        }


@pytest.mark.parametrize(("game", "communication", "keys"), PLAYED)
def test_results_are_those_of_playing_together(
    game: str,
    communication: dict[str, Any],
    keys: dict[str, Any],
    make_plan: MakePlan,
    runs: Path,
    latencies: Callable[[int], None],
) -> None:
    latencies(1)
    together = run_scenario(plan_of(make_plan, game, communication, keys, "together"), out=runs)
    for seed in (2, 3):
        latencies(seed)
        run = run_scenario(plan_of(make_plan, game, communication, keys, "by_neighbours"), out=runs)
        assert_whole(run, together)
        assert list(map(type, log_of(run))) == list(map(type, log_of(together)))
        assert stored(run) == stored(together)
        assert set(run.prompts["user"]) == set(together.prompts["user"])


# -- how far players go ------------------------------------------------------------------------------------


class Scripted:
    """Players that answer at once, but one of them not before `release`."""

    def __init__(self, slow: str) -> None:
        self._slow, self.release = slow, asyncio.Event()
        self.decided: Counter[str] = Counter()
        self.asked = asyncio.Event()

    async def answer(self, request: Request) -> Reply:
        if request.key.model_id == self._slow:
            self.asked.set()
            await self.release.wait()
        self.decided[request.key.model_id] += request.key.purpose is Purpose.DECIDE
        return Reply(request.choices[0] if request.choices else "hello", Provenance(Tier.HUMAN, "stub"))


def society(
    count: int, answer: Callable[[Request], Awaitable[Reply]], on_event: Callable[[Event], None] | None = None
) -> MultiModelEnvironment:
    rows = models(count)
    environment = MultiModelEnvironment(
        max_models=count,
        communication=Communication.model_validate({"topology": "ring", "stepping": "by_neighbours"}),
        responders={row.model_id: answer for row in rows},
        on_event=on_event,
    )
    for row in rows:
        environment.add_model(row)
    return environment


def decided_while_one_is_slow(game: str, count: int, steps: int) -> Counter[str]:
    async def play() -> Counter[str]:
        players, events = Scripted("m0"), list[Event]()
        async with society(count, players.answer, events.append) as environment:
            playing = asyncio.create_task(
                environment.run_task(TrainingTask(task_id="t", task_type=game, max_steps=steps))
            )
            await players.asked.wait()
            while (before := players.decided.copy()) or not players.decided:
                await asyncio.sleep(0.05)  # until nobody does anything any more
                if players.decided == before:
                    break
            assert not any(isinstance(event, (DecisionMade, StepResolved)) for event in events)
            players.release.set()
            await playing
            assert set(players.decided.values()) == {steps}
            return before

    return asyncio.run(play())


def test_slow_player_delays_those_in_its_reach_only() -> None:
    count = 12
    decided = decided_while_one_is_slow("opinion", count, steps=20)
    for player in range(count):
        distance = min(player, count - player)
        assert decided[f"m{player}"] == max(0, distance - 1)


def test_slow_player_delays_everyones_next_step_where_all_is_seen() -> None:
    decided = decided_while_one_is_slow("public_goods", 6, steps=3)
    assert +decided == {"m2": 1, "m3": 1, "m4": 1}


def test_failed_reply_ends_the_episode_and_no_call_begins_after_it() -> None:
    begun, failed = list[str](), list[int]()

    async def answer(request: Request) -> Reply:
        begun.append(request.key.model_id)
        if request.key.model_id == "m3" and request.key.step == 1:
            failed.append(len(begun))
            raise SocietyError("m3 is lost")
        await asyncio.sleep(0.001)
        return Reply(request.choices[0] if request.choices else "hello", Provenance(Tier.HUMAN, "stub"))

    async def play() -> None:
        async with society(8, answer) as environment:
            with pytest.raises(SocietyError, match="m3 is lost"):
                await environment.run_task(TrainingTask(task_id="t", task_type="opinion", max_steps=9))

    asyncio.run(play())
    assert failed == [len(begun)]


# -- runs that are cut off, replayed and spoken to ---------------------------------------------------------

DILEMMA = ("prisoners_dilemma", {"topology": "ring"}, {"memory": {"window": 2, "summary": {"every": 2}}})


@pytest.mark.parametrize("calls", [3, 20, 45, 70])
def test_resumed_run_is_whole_where_players_were_ahead(
    calls: int, make_plan: MakePlan, runs: Path, latencies: Callable[[int], None]
) -> None:
    together = run_scenario(plan_of(make_plan, *DILEMMA, "together"), out=runs)
    made = list[Event]()

    def stop(event: Event) -> None:
        made.extend([event] if isinstance(event, CallMade) else [])
        if len(made) == calls:
            raise KeyboardInterrupt

    latencies(calls)
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(plan_of(make_plan, *DILEMMA, "by_neighbours"), out=runs, on_event=stop)
    latencies(calls + 1)
    assert_whole(resume_run(stopped.value.path), together)


def test_replay_is_the_same_bytes(
    make_plan: MakePlan, runs: Path, tmp_path: Path, latencies: Callable[[int], None]
) -> None:
    latencies(4)
    run = run_scenario(plan_of(make_plan, *DILEMMA, "by_neighbours"), out=runs)
    latencies(5)
    replay = replay_run(run.path, out=tmp_path / "again")
    assert replay.log_identical
    assert replay.tables_identical


@pytest.mark.parametrize("changed", [{"communication.talk_rounds": 0}, {"communication.stepping": "by_neighbours"}])
def test_fork_is_that_of_playing_together(
    changed: dict[str, Any], make_plan: MakePlan, runs: Path, latencies: Callable[[int], None]
) -> None:
    forks = []
    for seed, stepping in enumerate(("together", "by_neighbours")):
        latencies(seed)
        run = run_scenario(plan_of(make_plan, *DILEMMA, stepping), out=runs)
        forks.append(fork_run(run.path, at="2.3", set=changed, out=runs))
    assert_whole(forks[1], forks[0])


def test_what_is_said_into_a_run_comes_before_a_step_that_nobody_began(
    make_plan: MakePlan, runs: Path, tmp_path: Path, latencies: Callable[[int], None]
) -> None:
    begun, spoken = set[int](), list[int]()

    def listen(event: Event) -> None:
        if isinstance(event, CallMade):
            begun.add(event.record.key.step)
            if event.record.key.step == 1 and not spoken:
                (path,) = {file.parent for file in runs.glob("*/manifest.json")}
                say(path, {"show": "Hurry up.", "to": ["m2"]})
                spoken.append(max(begun))

    latencies(6)
    run = run_scenario(plan_of(make_plan, *DILEMMA, "by_neighbours"), out=runs, on_event=listen)
    ((episode, step),) = run.events[["episode", "step"]].itertuples(index=False)
    assert (episode, step) == (0, spoken[0] + 1)
    rows = run.prompts[run.prompts["user"].str.contains("Hurry up.", regex=False)]
    assert set(zip(rows["episode"], rows["step"], rows["model_id"], strict=True)) == {(episode, step, "m2")}
    assert replay_run(run.path, out=tmp_path / "again").log_identical


# -- what falls back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "communication", "notice"),
    [
        ("opinion", {"treatment": "shuffled"}, "is not used: treatment shuffled"),
        ("opinion", {"treatment": "replaced"}, "is not used: treatment replaced"),
        ("opinion", {"addressing": "chosen"}, "is not used: addressing chosen"),
        ("opinion", {"social_actions": ["create_post"]}, "is not used: social_actions"),
        ("social_network", {}, "is not used: in a social network"),
        ("public_goods", {}, "is used within each step only: what a player of public_goods sees"),
        ("opinion", {}, ""),
    ],
)
def test_fallback_to_waiting_for_all_is_noticed_once(
    game: str,
    communication: dict[str, Any],
    notice: str,
    make_plan: MakePlan,
    runs: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "society.notice")
    run_scenario(plan_of(make_plan, game, communication, {}, "by_neighbours"), out=runs)
    noticed = [text for text in caplog.messages if text.startswith("stepping: by_neighbours")]
    assert len(noticed) == bool(notice)
    assert all(notice in text for text in noticed)


def test_person_at_play_makes_all_wait(make_plan: MakePlan, runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def person(request: Request) -> Reply:
        return Reply(request.choices[0] if request.choices else "hello", Provenance(Tier.HUMAN, "m0"))

    caplog.set_level("INFO", "society.notice")
    rows = (ModelConfig(model_id="m0", human=True), *models(4)[1:])
    plan = make_plan(
        rows=rows, tasks=[{"task_id": "t", "task_type": "opinion"}], communication={"stepping": "by_neighbours"}
    )
    run_scenario(plan, out=runs, responders={"m0": person})
    assert "stepping: by_neighbours is not used: a person plays along" in caplog.messages
