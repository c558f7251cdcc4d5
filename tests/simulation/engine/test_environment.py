"""`MultiModelEnvironment` as the documentation shows it, on a real OASIS platform and the simulated tier."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.provenance import Provenance, Reply, Tier
from agents.inference.recording import ReplyCache
from agents.language import Language
from agents.lora_model import PlatformError
from agents.problems import SocietyError, UsageError
from agents.roster import ModelConfig
from agents.strategy import TrainingMode
from simulation.engine.environment import MultiModelEnvironment
from simulation.scenario import Mixing
from simulation.store.events import CallMade, DecisionMade, EpisodeEnded, EpisodeStarted, Event, MessageSent
from simulation.task import TrainingTask
from simulation.topology.communication import Communication
from simulation.topology.graph import TopologyKind
from tests.conftest import models
from tests.support.in_thread import in_thread
from tests.support.scripted_vllm import ScriptedVLLM

SIMULATED = InferenceSettings(tiers=(Tier.SIMULATED,))
GOODS = TrainingTask(task_id="goods", task_type="public_goods", max_steps=2)
MODES = [TrainingMode.COOPERATIVE, TrainingMode.COMPETITIVE, TrainingMode.TEAM_BATTLE]


def environment(mode: TrainingMode = TrainingMode.COOPERATIVE, count: int = 4, **keys: Any) -> MultiModelEnvironment:
    env = MultiModelEnvironment(training_mode=mode, settings=SIMULATED, **keys)
    for config in models(count):
        env.add_model(config)
    return env


def allowed(mode: TrainingMode, sender: ModelConfig, hearer: ModelConfig) -> bool:
    if sender == hearer or mode is TrainingMode.COMPETITIVE:
        return False
    return mode is TrainingMode.COOPERATIVE or sender.team_id == hearer.team_id


@pytest.mark.parametrize("mode", MODES)
async def test_message_is_heard_by_those_the_mode_allows(mode: TrainingMode) -> None:
    events: list[Event] = []
    async with environment(mode, on_event=events.append) as env:
        await env.run_task(GOODS)
        rows = {config.model_id: config for config in env.models}
    messages = [event for event in events if isinstance(event, MessageSent)]
    assert len(messages) == 4 * GOODS.max_steps
    for message in messages:
        expected = {m for m, row in rows.items() if allowed(mode, rows[message.sender], row)}
        assert set(message.audience) == expected


@pytest.mark.parametrize("mode", MODES)
async def test_oasis_database_has_the_same_messages_and_hearers(mode: TrainingMode, tmp_path: Path) -> None:
    events: list[Event] = []
    async with environment(mode, on_event=events.append, folder=tmp_path) as env:
        await env.run_task(GOODS)
        names = [config.model_id for config in env.models]
    rows = sqlite3.connect(tmp_path / "oasis.db").execute(
        "SELECT m.message_id, m.sender_id, m.content, GROUP_CONCAT(g.agent_id) FROM group_messages m "
        "JOIN group_members g ON g.group_id = m.group_id AND g.agent_id != m.sender_id "
        "GROUP BY m.message_id UNION "
        "SELECT m.message_id, m.sender_id, m.content, '' FROM group_messages m WHERE "
        "(SELECT COUNT(*) FROM group_members g WHERE g.group_id = m.group_id) = 1"
    )
    stored = {
        number: (names[sender], text, {names[int(a)] for a in hearers.split(",") if a})
        for number, sender, text, hearers in rows
    }
    heard = {e.oasis_message_id: (e.sender, e.text, set(e.audience)) for e in events if isinstance(e, MessageSent)}
    assert stored == heard


@pytest.mark.parametrize("mode", [*MODES, TrainingMode.MIXED])
async def test_rewards_add_up_to_the_pool(mode: TrainingMode) -> None:
    async with environment(mode) as env:
        for ended in await env.run_training_cycle(cycles=3, tasks=[GOODS]):
            assert sum(outcome.reward_earned for outcome in ended.outcomes) == pytest.approx(GOODS.reward_pool)


async def test_what_a_model_hears_is_in_its_next_prompt() -> None:
    env = environment()
    prompts: dict[str, str] = {}
    generate = env.client.generate

    async def spy(request: Any) -> Any:
        prompts[f"{request.key.model_id}/{request.key.step}/{request.key.purpose.value}"] = request.messages[-1].content
        return await generate(request)

    env.client.generate = spy  # type: ignore[method-assign]
    events: list[Event] = []
    env._on_event = events.append
    async with env:
        await env.run_task(GOODS)
    first = {e.sender: e.text for e in events if isinstance(e, MessageSent) and e.step == 0}
    assert "No messages heard." in prompts["m0/0/talk"]
    assert all(
        f"- {sender} ({'red' if sender == 'm2' else 'blue'}): {first[sender]}" in prompts["m0/0/decide"]
        for sender in ("m1", "m2", "m3")
    )
    assert first["m0"] not in prompts["m0/0/decide"]
    assert first["m1"] in prompts["m0/1/talk"]


async def test_a_message_budget_bounds_what_a_model_says() -> None:
    events: list[Event] = []
    async with environment(communication=Communication(message_budget=1), on_event=events.append) as env:
        ended = await env.run_task(GOODS)
    assert [outcome.messages_sent for outcome in ended.outcomes] == [1, 1, 1, 1]
    assert {e.step for e in events if isinstance(e, MessageSent)} == {0}


async def test_what_was_heard_steps_ago_is_not_told_as_news() -> None:
    env = environment(communication=Communication(message_budget=1))
    heard: dict[int, list[int]] = {}
    generate = env.client.generate

    async def spy(request: Any) -> Any:
        heard.setdefault(request.key.step, []).append(request.messages[-1].content.count("\n- "))
        return await generate(request)

    env.client.generate = spy  # type: ignore[method-assign]
    async with env:
        await env.run_task(GOODS)
    assert heard == {0: [0, 0, 0, 0, 3, 3, 3, 3], 1: [0, 0, 0, 0]}


async def test_the_prompt_says_neighbours_where_not_all_are_connected() -> None:
    for topology, words in ((TopologyKind.COMPLETE, "messages go to all"), (TopologyKind.STAR, "to your neighbours")):
        env = environment(communication=Communication(topology=topology))
        systems: set[str] = set()
        generate = env.client.generate

        async def spy(request: Any, seen: set[str] = systems, ask: Any = generate) -> Any:
            seen.add(request.messages[0].content)
            return await ask(request)

        env.client.generate = spy  # type: ignore[method-assign]
        async with env:
            await env.run_task(GOODS)
        assert len(systems) == 1
        assert words in systems.pop()


async def test_each_task_of_a_mixed_run_is_learnt_apart() -> None:
    events: list[Event] = []
    tasks = [GOODS, TrainingTask(task_id="stock", task_type="commons", max_steps=2)]
    async with environment(TrainingMode.MIXED, mixing=Mixing(), on_event=events.append) as env:
        await env.run_training_cycle(cycles=3, tasks=tasks)
    started = [event for event in events if isinstance(event, EpisodeStarted)]
    for task in tasks:
        assert {e.mode for e in started if e.task_id == task.task_id} == {mode.value for mode in MODES}


async def test_an_environment_can_be_used_again_after_it_was_closed() -> None:
    env = environment()
    for _ in range(2):
        async with env:
            assert len((await env.run_task(GOODS)).outcomes) == 4


async def test_invalid_reply_is_asked_again_with_another_seed() -> None:
    events: list[Event] = []
    env = environment(on_event=events.append, count=2, communication=Communication(talk_rounds=0))
    seeds: list[int | None] = []

    async def mumble(request: Any) -> Reply:
        seeds.append(request.seed)
        return Reply("hm", Provenance(Tier.HTTP, "cooperator", latency=1.0))

    env.client.generate = mumble  # type: ignore[method-assign]
    async with env:
        ended = await env.run_task(TrainingTask(task_id="t", task_type="public_goods", max_steps=1))
    assert len(set(seeds)) == len(seeds) == 4
    decisions = [event for event in events if isinstance(event, DecisionMade)]
    assert [(event.action, event.asks) for event in decisions] == [(None, 2), (None, 2)]
    assert [(o.invalid_decisions, o.completion_time, o.payoff) for o in ended.outcomes] == [(1, 2.0, 0.0)] * 2
    assert [outcome.cooperation_score for outcome in ended.outcomes] == [None, None]


async def test_dead_platform_ends_the_task_with_an_error() -> None:
    env = environment()
    async with env:
        await env.run_task(GOODS)
        society = await env._open()
        with pytest.raises(PlatformError):
            await society.agents[0].env.action.perform_action(None, "no_such_action")
        with pytest.raises(PlatformError, match="the OASIS platform stopped"):
            await asyncio.wait_for(env.run_task(GOODS), timeout=10)


async def test_an_inbox_limit_bounds_what_a_model_hears() -> None:
    events: list[Event] = []
    async with environment(communication=Communication(inbox_limit=1), on_event=events.append, count=6) as env:
        await env.run_task(GOODS)
    first = [e for e in events if isinstance(e, MessageSent) and e.step == 0]
    assert sum(len(message.audience) for message in first) == 6


@pytest.mark.parametrize("seed", [-1, 2**63, 3.0, "3", True, None])
def test_a_seed_out_of_range_is_refused_at_once(seed: Any) -> None:
    with pytest.raises(UsageError, match="seed="):
        environment(seed=seed)


def test_a_seed_may_be_of_numpy() -> None:
    assert type(environment(seed=np.int64(3)).seed) is int


async def test_a_second_task_is_refused_while_one_is_played() -> None:
    async with environment() as env:
        first, second = await asyncio.gather(env.run_task(GOODS), env.run_task(GOODS), return_exceptions=True)
        assert isinstance(first, EpisodeEnded)
        assert isinstance(second, UsageError)
        assert "Await one task after the other" in str(second)
        assert (await env.run_task(GOODS)).episode == 1  # and afterwards it goes on


async def test_models_stay_the_same_while_a_task_is_played() -> None:
    async with environment() as env:
        playing = asyncio.create_task(env.run_task(GOODS))
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="wait for its end"):
            env.remove_model(env.models[0].model_id)
        await playing


async def test_environments_at_the_same_time_keep_apart() -> None:
    async def alone(seed: int, events: list[Event]) -> EpisodeEnded:
        async with environment(seed=seed, on_event=events.append) as env:
            return await env.run_task(GOODS)

    def texts(events: list[Event]) -> list[str]:
        return [event.text for event in events if isinstance(event, MessageSent)]

    apart: list[list[Event]] = [[] for _ in range(3)]
    for seed, events in enumerate(apart):
        await alone(seed, events)
    together: list[list[Event]] = [[] for _ in range(3)]
    await asyncio.gather(*(alone(seed, events) for seed, events in enumerate(together)))
    assert list(map(texts, together)) == list(map(texts, apart))


async def test_a_topology_narrows_who_hears() -> None:
    events: list[Event] = []
    rules = Communication(topology=TopologyKind.RING)
    async with environment(communication=rules, on_event=events.append, count=5) as env:
        await env.run_task(GOODS)
    heard = {e.sender: set(e.audience) for e in events if isinstance(e, MessageSent) and e.step == 0}
    assert heard["m0"] == {"m4", "m1"}
    assert all(len(audience) == 2 for audience in heard.values())


async def test_silence_is_possible() -> None:
    events: list[Event] = []
    async with environment(communication=Communication(talk_rounds=0), on_event=events.append) as env:
        await env.run_task(GOODS)
    assert not [event for event in events if isinstance(event, MessageSent)]
    assert len([event for event in events if isinstance(event, DecisionMade)]) == 8


async def test_mixed_mode_says_which_mode_and_why() -> None:
    events: list[Event] = []
    async with environment(TrainingMode.MIXED, mixing=Mixing(), on_event=events.append) as env:
        await env.run_training_cycle(cycles=4, tasks=[GOODS])
    started = [event for event in events if isinstance(event, EpisodeStarted)]
    assert {event.mode for event in started[:3]} == {mode.value for mode in MODES}
    assert all(event.mode_reason.startswith("ucb1: ") for event in started)
    assert "mean welfare ratio" in started[3].mode_reason


async def test_models_come_and_go_between_tasks() -> None:
    async with environment(count=3) as env:
        assert len((await env.run_task(GOODS)).outcomes) == 3
        env.add_model(ModelConfig(model_id="late", policy="tit_for_tat"))
        ended = await env.run_task(GOODS)
        assert [outcome.tier for outcome in ended.outcomes] == ["simulated"] * 3 + ["scripted"]
        env.remove_model("m0")
        assert [o.model_id for o in (await env.run_task(GOODS)).outcomes] == ["m1", "m2", "late"]
        assert env.get_environment_stats().episodes == 3


def refusals() -> list[tuple[str, Callable[[MultiModelEnvironment], object]]]:
    return [
        ("model_id 'm0' is taken", lambda env: env.add_model(models(1)[0])),
        ("max_models is 2", lambda env: env.add_model(ModelConfig(model_id="x", policy="random"))),
        ("no model 'm9'.*did you mean m", lambda env: env.remove_model("m9")),
        ("count is 3", lambda env: env.add_model(ModelConfig(model_id="x", policy="random", count=3))),
    ]


@pytest.mark.parametrize(("message", "act"), refusals())
def test_a_mistake_is_told(message: str, act: Callable[[MultiModelEnvironment], object]) -> None:
    with pytest.raises(SocietyError, match=message):
        act(environment(count=2, max_models=2))


async def test_unplayable_task_is_refused_before_any_call() -> None:
    events: list[Event] = []
    async with environment(count=3, on_event=events.append) as env:
        with pytest.raises(SocietyError, match="needs 5 models; there are 3"):
            await env.run_task(TrainingTask(task_id="t", task_type="public_goods", required_models=5))
        with pytest.raises(ValueError, match="even number"):
            await env.run_task(TrainingTask(task_id="t", task_type="prisoners_dilemma"))
    assert events == []


async def test_a_cached_reply_counts_as_no_call(tmp_path: Path) -> None:
    with in_thread(ScriptedVLLM()) as server:
        stats = []
        for _ in range(2):
            cache = ReplyCache(tmp_path)
            settings = InferenceSettings(tiers=(Tier.HTTP,))
            env = MultiModelEnvironment(vllm_url=server.url, settings=settings, cache=cache)
            for config in models(2):
                env.add_model(config)
            async with env:
                await env.run_task(GOODS)
                stats.append(env.get_environment_stats())
            cache.close()
    first, again = stats
    assert (first.calls, first.failed_calls, first.call_success_rate) == (8, 0, 1.0)
    assert (again.calls, again.failed_calls, again.call_success_rate) == (0, 0, None)


async def test_the_figures_of_an_environment_are_those_of_its_calls() -> None:
    events: list[Event] = []
    async with environment(on_event=events.append, language=Language.ZH) as env:
        await env.run_training_cycle()
        stats = env.get_environment_stats()
    calls = [event for event in events if isinstance(event, CallMade)]
    assert (stats.models, stats.episodes, stats.calls, stats.failed_calls) == (4, 1, len(calls), 0)
    assert stats.tier_mix == {"simulated": len(calls)}
    assert stats.call_success_rate == 1.0
    assert 0 < stats.mean_welfare_ratio["simulated"] <= 1
    assert set(stats.mean_welfare_ratio) == set(stats.mean_latency) == {"simulated"}
