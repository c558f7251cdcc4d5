"""Language models among players that are played in columns: everything is as where all are played by requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from agents.deliberation import DecideMode
from agents.problems import SocietyError, UsageError
from agents.roster import Roster
from simulation import fork_run, replay_run
from simulation.engine.batch import asking as asking_episode
from simulation.engine.batch import settings, workers
from simulation.runs.runner import Observer, RunStoppedError, resume_run, run_scenario
from simulation.store import history, log
from simulation.store.blocks import takes_blocks
from simulation.store.events import CallMade, Event, RunResumed, StepResolved
from simulation.store.log import EventLog, read_events
from simulation.tables.run import Run
from tests.simulation.engine.batch.test_episode import GAMES, MODES, drawn, plan_of
from tests.support.speaking_server import SpeakingServer, options_of, said, speaking_server
from tests.support.two_ways import events_of, roster_of, rows_of_database, scenario_of


def by_prompt(body: dict[str, Any]) -> dict[str, Any]:
    """Answer by a hash of all that was asked: another prompt, seed or adapter has another reply."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    options = options_of(body)
    if digest[0] < 40:
        return said("neither")
    return said(options[digest[1] % len(options)] if options else f"I say {digest.hex()[:6]}")


@pytest.fixture(scope="module")
def server() -> Iterator[SpeakingServer]:
    with speaking_server(by_prompt, adapters=("cooperator", "defector")) as running:
        yield running


@pytest.fixture
def in_columns(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Lets any society be played in columns."""
    monkeypatch.setattr(settings, "MOST_ASKED", 1.0)
    monkeypatch.setattr(settings, "LARGE", 1)
    return monkeypatch


def asking(server: SpeakingServer, scenario: dict[str, Any]) -> dict[str, Any]:
    """Return the scenario with replies by the server."""
    return {**scenario, "inference": {"tiers": ["http"], "endpoints": [server.url]}}


def play(scenario: dict[str, Any], roster: Roster, out: Path) -> Run:
    return run_scenario(scenario, roster=roster, out=out)


def both_ways(scenario: dict[str, Any], roster: Roster, out: Path, patch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """Play by requests alone, and in columns."""
    with patch.context() as requests:
        requests.setattr(settings, "MOST_ASKED", -1.0)
        alone = play(scenario, roster, out / "requests")
    return alone, play(scenario, roster, out / "columns")


def calls_of(run: Run) -> list[Any]:
    """Return the records of the calls, without what is measured, in the order of their keys."""
    events = read_events(run.path / EventLog.NAME)
    records = [event.record for event in events if isinstance(event, CallMade)]
    plain = [
        replace(
            each,
            queue_time=0.0,
            latency=0.0,
            reply=each.reply and replace(each.reply, provenance=replace(each.reply.provenance, latency=0.0)),
        )
        for each in records
    ]
    return sorted(plain, key=lambda each: str(each.key))


def assert_same(alone: Run, columns: Run) -> None:
    assert events_of(alone) == events_of(columns)
    assert rows_of_database(alone) == rows_of_database(columns)
    assert calls_of(alone) == calls_of(columns)
    assert alone.prompts.to_dict() == columns.prompts.to_dict()
    assert alone.manifest["tier_mix"] == columns.manifest["tier_mix"]
    assert columns.manifest["in_columns"]


def same_in_columns(game: str, mode: str, server: SpeakingServer, out: Path, patch: pytest.MonkeyPatch) -> None:
    """Check that a game is the same by requests and in columns, with drawn rules."""
    scenario = asking(server, drawn(game, mode))
    if scenario["communication"]["treatment"] == "shuffled":
        scenario["communication"]["treatment"] = "delivered"
    scenario["memory"] = {"window": len(game) % 3}
    assert_same(*both_ways(scenario, plan_of(scenario).roster, out, patch))


@pytest.mark.parametrize(("game", "mode"), zip(GAMES, cycle(MODES), strict=False))
def test_every_game_is_the_same(
    game: str, mode: str, server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    same_in_columns(game, mode, server, tmp_path, in_columns)


@pytest.mark.thorough
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("game", GAMES)
def test_every_game_is_the_same_in_every_mode(
    game: str, mode: str, server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    same_in_columns(game, mode, server, tmp_path, in_columns)


KEYS: dict[str, dict[str, Any]] = {
    "notes before decisions": {"inference": {"decide": "reasoned"}},
    "thoughts": {"inference": {"thinking": True}},
    "three talk rounds": {"communication": {"topology": "ring", "talk_rounds": 3, "inbox_limit": 1}},
    "memory of all parts": {"memory": {"window": 2, "of": ["own", "heard", "outcomes"]}},
    "a fallback": {"inference": {"tiers": ["http", "simulated"], "retries": 0}},
    "no database": {"oasis_db": "off", "prompts": "off"},
}


def with_keys(server: SpeakingServer, keys: dict[str, Any]) -> dict[str, Any]:
    scenario = asking(server, scenario_of(communication={"topology": "ring"}, episodes=2))
    return {**scenario, **keys, "inference": {**scenario["inference"], **keys.get("inference", {})}}


@pytest.mark.parametrize("name", [name for name in KEYS if name != "no database"])
def test_settings_of_language_models_are_the_same(
    name: str, server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    assert_same(*both_ways(with_keys(server, KEYS[name]), roster_of(10), tmp_path, in_columns))


def test_a_server_that_fails_falls_back_the_same(tmp_path: Path, in_columns: pytest.MonkeyPatch) -> None:
    def fails(body: dict[str, Any]) -> dict[str, Any]:
        return by_prompt(body) if by_prompt(body)["message"]["content"] != "neither" else {"message": {"content": None}}

    with speaking_server(fails, adapters=("cooperator",)) as server:
        scenario = with_keys(server, KEYS["a fallback"])
        assert_same(*both_ways(scenario, roster_of(10), tmp_path, in_columns))


def test_what_a_language_model_says_has_its_source(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    run = play(with_keys(server, {}), roster_of(10), tmp_path)
    for table in (run.messages, run.decisions):
        own = table["tier"] == "http"
        assert set(table[own]["endpoint"]) == {server.url}
        assert set(table[~own]["endpoint"]) == {""}
        assert (table[own]["latency"] > 0).all()
        assert (table[~own]["latency"] == 0).all()
        assert own.sum() == (~own).sum() == 30
    assert set(run.outcomes["tier"]) == {"http", "scripted"}
    assert set(run.outcomes.query("tier == 'http'")["real_share"]) == {1.0}
    assert (run.outcomes.query("tier == 'http'")["completion_time"] > 0).all()


def test_a_large_crowd_is_played_in_columns_with_its_prompts_kept(server: SpeakingServer, tmp_path: Path) -> None:
    roster = a_few_in(2_500)
    scenario = asking(server, scenario_of(communication={"topology": "small_world", "degree": 4}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "LARGE", 10_000)
        alone = play(scenario, roster, tmp_path / "requests")
    assert not alone.manifest.get("in_columns")
    columns = play(scenario, roster, tmp_path / "columns")
    assert_same(alone, columns)
    assert list(columns.path.glob("blocks/*MessageSent.parquet"))
    assert len(columns.prompts) == len(columns.calls) >= 3 * 2 * 3
    for name in ("messages", "decisions", "steps", "outcomes", "agents"):
        one, other = (getattr(run, name) for run in (alone, columns))
        measured = [column for column in ("latency", "duration", "completion_time") if column in one]
        assert one.drop(columns=measured).equals(other.drop(columns=measured)), name


def test_texts_that_nobody_heard_last_are_forgotten(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    in_columns.setattr(asking_episode, "MANY_TEXTS", 2)
    keys = {"communication": {"topology": "ring", "talk_rounds": 2}, "memory": {"window": 2}}
    assert_same(*both_ways(with_keys(server, keys), roster_of(10), tmp_path, in_columns))


def test_several_processes_answer_for_the_crowd_meanwhile(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    in_columns.setattr(workers, "LEAST", 1)
    scenario, roster = with_keys(server, {}), roster_of(10)
    alone = play(scenario, roster, tmp_path / "alone")
    together = run_scenario(scenario, roster=roster, out=tmp_path / "together", jobs=2)
    assert_same(alone, together)


def test_a_run_is_replayed_and_forked_in_columns(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    run = play(with_keys(server, {"memory": {"window": 1}}), roster_of(10), tmp_path)
    replay = replay_run(run.path, out=tmp_path / "replay")
    assert replay.tables_identical
    assert replay.run.manifest["in_columns"]
    fork = fork_run(run.path, at="2.2", set={"tasks.0.parameters.multiplier": 2.5}, out=tmp_path / "fork")
    assert fork.manifest["in_columns"]
    assert len(fork.messages) == len(run.messages)


def test_an_interrupted_run_pays_for_no_call_twice(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    scenario, roster = with_keys(server, {}), roster_of(10)
    unbroken = play(scenario, roster, tmp_path / "unbroken")
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(scenario, roster=roster, out=tmp_path / "stopped", on_event=stop_at(1, 1))
    asked = len(server.bodies)
    resumed = resume_run(stopped.value.path)
    assert len(server.bodies) - asked == len(calls_of(resumed)) - calls_before(resumed)
    assert [event for event in events_of(resumed) if event["type"] != "RunResumed"][-1] == events_of(unbroken)[-1]
    assert calls_of(resumed) == calls_of(unbroken)
    assert rows_of_database(resumed) == rows_of_database(unbroken)


def calls_before(run: Run) -> int:
    """Return how many calls an interrupted run had made."""
    events = list(read_events(run.path / EventLog.NAME))
    resumed = next(place for place, event in enumerate(events) if isinstance(event, RunResumed))
    return sum(isinstance(event, CallMade) for event in events[:resumed])


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"communication": {"treatment": "shuffled"}}, "other names"),
        ({"communication": {"stepping": "by_neighbours"}}, "their neighbours only"),
    ],
)
def test_what_only_requests_can_do_is_not_played_in_columns(
    keys: dict[str, Any], reason: str, server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SocietyError, match=reason):
        play(with_keys(server, {**KEYS["no database"], **keys}), roster_of(10), tmp_path)


def a_few_in(players: int) -> Roster:
    """Return a roster of three language models and many that play by a policy."""
    rows = [
        {"model_id": "lora", "model_name": "cooperator", "role": "leader", "count": 3},
        {"model_id": "crowd", "policy": "conditional_cooperator", "count": players - 3},
    ]
    return Roster.model_validate({"name": "crowd", "base_model": "base", "models": rows})


@pytest.fixture
def large_at_forty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a society of 40 players be a large one, played in columns and stored in blocks."""
    monkeypatch.setattr(settings, "LARGE", 40)
    for module in (log, history):
        monkeypatch.setattr(module, "LEAST", 40)


LARGE_STEPS = scenario_of(communication={"topology": "small_world", "degree": 4}, episodes=2)


def test_a_large_run_by_requests_is_replayed_and_forked_by_requests(
    server: SpeakingServer, large_at_forty: None, tmp_path: Path
) -> None:
    roster = a_few_in(40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "LARGE", 10_000)  # as an earlier version played it
        earlier = play(asking(server, LARGE_STEPS), roster, tmp_path)
    simulated = play(LARGE_STEPS, roster, tmp_path)  # its prompts are kept
    for run in (earlier, simulated):
        assert not run.manifest.get("in_columns")
        replay = replay_run(run.path, out=tmp_path / "replay")
        assert replay.log_identical
        assert replay.tables_identical
    assert events_of(fork_run(earlier.path, at="2.2", out=tmp_path)) == events_of(earlier)


def test_a_run_goes_on_by_requests_where_it_began_so(
    server: SpeakingServer, large_at_forty: None, tmp_path: Path
) -> None:
    scenario, roster = asking(server, LARGE_STEPS), a_few_in(40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "LARGE", 10_000)
        with pytest.raises(RunStoppedError) as stopped:
            run_scenario(scenario, roster=roster, out=tmp_path, on_event=stop_at(1, 0))
    resumed = resume_run(stopped.value.path)
    assert not list(resumed.path.glob("blocks/*"))
    assert replay_run(resumed.path, out=tmp_path / "replay").tables_identical


def test_a_resumed_large_run_is_replayed_to_the_byte(
    server: SpeakingServer, large_at_forty: None, tmp_path: Path
) -> None:
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(asking(server, LARGE_STEPS), roster=a_few_in(40), out=tmp_path, on_event=stop_at(1, 1))
    resumed = resume_run(stopped.value.path)
    assert replay_run(resumed.path, out=tmp_path / "replay").tables_identical


def stop_at(episode: int, step: int) -> Observer:
    """Return what interrupts a run after a step."""

    @takes_blocks
    def stop(event: Event) -> None:
        if isinstance(event, StepResolved) and (event.episode, event.step) == (episode, step):
            raise KeyboardInterrupt

    return stop


def test_a_run_that_stops_in_its_first_episode_keeps_one_database(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    scenario, roster = with_keys(server, {}), roster_of(10)
    unbroken = play(scenario, roster, tmp_path)
    with pytest.raises(RunStoppedError) as stopped:
        run_scenario(scenario, roster=roster, out=tmp_path, on_event=stop_at(0, 1))
    resumed = resume_run(stopped.value.path)
    assert [path.name for path in resumed.path.glob("oasis*.db")] == ["oasis.db"]
    assert rows_of_database(resumed) == rows_of_database(unbroken)


@pytest.mark.parametrize("at", ["1.1", "1.2", "2.1"])
def test_a_fork_may_let_the_simulated_tier_go_on(
    at: str, server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    run = play(with_keys(server, {}), roster_of(10), tmp_path)
    fork = fork_run(run.path, at=at, tier="simulated", out=tmp_path)
    before = {"1.1": 0, "1.2": 1, "2.1": 3}[at]
    counts = fork.messages.assign(place=fork.messages["episode"] * 3 + fork.messages["step"]).groupby("place")["tier"]
    tiers = [{tier for tier in own if tier != "scripted"} for _, own in counts]
    assert tiers == [{"http"}] * before + [{"simulated"}] * (6 - before)
    assert replay_run(fork.path, out=tmp_path / "replay").tables_identical


def test_a_fork_where_nobody_was_asked_is_refused_language_models(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    run = play(scenario_of(prompts="off"), roster_of(10), tmp_path)
    real = {"inference.tiers": ["http"], "inference.endpoints": [server.url]}
    with pytest.raises(UsageError, match=r"was played in columns.*say --tier simulated"):
        fork_run(run.path, at="1.2", set=real, out=tmp_path)
    assert fork_run(run.path, at="1.1", set=real, out=tmp_path).manifest["tier_mix"]["http"] > 0


def test_a_fork_may_change_to_what_only_requests_can_do(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    run = play(with_keys(server, {}), roster_of(10), tmp_path)
    assert not fork_run(run.path, at="1.2", set={"communication.treatment": "shuffled"}, out=tmp_path).manifest.get(
        "in_columns"
    )
    neighbours = play(with_keys(server, {"communication": {"stepping": "by_neighbours"}}), roster_of(10), tmp_path)
    fork = fork_run(neighbours.path, at="2.1", set={"communication.stepping": "together"}, out=tmp_path)
    assert [path.name for path in fork.path.glob("oasis*.db")] == ["oasis.db"]


def test_a_language_model_may_write_notes_by_its_own_row(
    server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    rows = [row.model_copy(update={"decide": DecideMode.REASONED}) for row in roster_of(1).models]
    roster = Roster(name="crowd", base_model="base", models=(*rows, *a_few_in(10).models[1:]))
    assert_same(*both_ways(with_keys(server, {}), roster, tmp_path, in_columns))


def test_a_crowd_can_be_asked_afterwards(server: SpeakingServer, large_at_forty: None, tmp_path: Path) -> None:
    run = play(asking(server, LARGE_STEPS), a_few_in(40), tmp_path)
    assert run.manifest["in_columns"]
    answers = run.ask("crowd_7", at=(1, 2), question="How far do you trust the others?", scale=(1, 7))
    assert len(answers) == 1


@pytest.mark.parametrize("who", ["m0", "m1"])
def test_a_run_without_a_database_can_be_asked_afterwards(
    who: str, server: SpeakingServer, tmp_path: Path, in_columns: pytest.MonkeyPatch
) -> None:
    run = play(with_keys(server, KEYS["no database"]), roster_of(10), tmp_path)
    assert len(run.ask(who, at=(1, 2), question="How far do you trust the others?", scale=(1, 7))) == 1
