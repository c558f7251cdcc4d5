"""A real OASIS platform: who hears what, what its database holds, and that nothing hangs."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.errors import FloorReachedError
from agents.inference.provenance import Sampling, Tier
from agents.language import Language
from agents.lora_model import LoRAModel, PlatformError
from agents.prompts import EpisodeContext, identity
from agents.strategy import TrainingMode, derive_strategy
from agents.turn import TurnContext
from simulation.engine.oasis_platform import FutureChannel, Platform, SocietyPlatform
from simulation.engine.society import Society
from simulation.games.base import Setting
from simulation.games.public_goods import PublicGoods
from simulation.seats import Seat
from simulation.seeds import stream
from simulation.task import TrainingTask
from simulation.topology.graph import TopologyKind, build_topology
from tests.conftest import models

TASK = TrainingTask(task_id="t", task_type="public_goods")
ROWS = models(4)


def society(folder: Path, tiers: tuple[Tier, ...] = (Tier.SIMULATED,)) -> Society:
    client = VLLMClient("http://127.0.0.1:9/v1", settings=InferenceSettings(tiers=tiers, retries=0))
    graph = build_topology(TopologyKind.RING, [row.model_id for row in ROWS], seed=0)
    return Society(ROWS, client, graph, folder)


def brief(player: int) -> TurnContext:
    game = PublicGoods(Setting(tuple(Seat(row.model_id, row.team_id) for row in ROWS), 3))
    state = game.start(stream(1, "game"))
    common = EpisodeContext(TASK, TrainingMode.COOPERATIVE, 3, game.rules(Language.EN), Language.EN)
    return TurnContext(
        episode=0,
        step=0,
        seed=player,
        system="system",
        common=common,
        observation=game.observe(state, player, Language.EN),
        identity=identity(
            Language.EN, ROWS[player], derive_strategy(ROWS[player].role, TASK, TrainingMode.COOPERATIVE)
        ),
        observation_text="",
        sampling=Sampling(),
    )


async def test_a_message_reaches_exactly_its_audience_and_only_once(tmp_path: Path) -> None:
    async with society(tmp_path) as running:
        await running.speak({0: brief(0), 1: brief(1), 2: brief(2)}, [[1, 2], [3], [], []])
        heard = [[arrival.sender for arrival in inbox] for inbox in await running.listen()]
        assert heard == [[], [0], [0], [1]]
        assert await running.listen() == [[], [], [], []]


async def test_messages_are_stored_in_the_order_of_the_agents(tmp_path: Path) -> None:
    async with society(tmp_path) as running:
        spoken = await running.speak({player: brief(player) for player in (3, 1, 0, 2)}, [[1], [0], [0], [0]])
    numbers = [spoken[player].message_id for player in range(4)]
    assert numbers == sorted(numbers)
    rows = sqlite3.connect(tmp_path / "oasis.db").execute("SELECT sender_id, content FROM group_messages").fetchall()
    assert rows == [(player, spoken[player].reply.text) for player in range(4)]


async def test_the_agent_graph_is_the_topology_in_both_directions(tmp_path: Path) -> None:
    async with society(tmp_path) as running:
        ring = {(0, 1), (1, 2), (2, 3), (0, 3)}
        assert set(running.graph.get_edges()) == ring | {(b, a) for a, b in ring}
        assert all(isinstance(agent, LoRAModel) for _, agent in running.graph.get_agents())


async def test_one_group_serves_one_audience(tmp_path: Path) -> None:
    everyone = [[other for other in range(4) if other != player] for player in range(4)]
    async with society(tmp_path) as running:
        for _ in range(3):
            await running.speak({player: brief(player) for player in range(4)}, everyone)
    assert sqlite3.connect(tmp_path / "oasis.db").execute("SELECT COUNT(*) FROM chat_group").fetchone() == (1,)


async def test_a_call_that_fails_is_raised_after_all_have_finished(tmp_path: Path) -> None:
    async with society(tmp_path, tiers=(Tier.HTTP,)) as running:
        with pytest.raises(FloorReachedError):
            await running.speak({player: brief(player) for player in range(4)}, [[1], [0], [3], [2]])
        assert all(agent.turn is None for agent in running.agents)


async def test_an_unknown_action_does_not_leave_callers_waiting(tmp_path: Path) -> None:
    running = society(tmp_path)
    await running.__aenter__()
    with pytest.raises(PlatformError, match="the OASIS platform stopped"):
        await asyncio.wait_for(running.agents[0].env.action.perform_action(None, "no_such_action"), timeout=5)
    with pytest.raises(PlatformError, match="the OASIS platform stopped"):  # those who come later too
        await asyncio.wait_for(running.agents[1].env.action.listen_from_group(), timeout=5)
    await running.__aexit__()


async def test_an_agent_is_cheap_and_keeps_no_memory(tmp_path: Path) -> None:
    async with society(tmp_path) as running:
        agent = running.agents[0]
        before = len(agent.memory.retrieve())
        for _ in range(3):
            await running.speak({0: brief(0)}, [[1], [], [], []])
        assert len(agent.memory.retrieve()) == before
        assert agent.action_tools == []
        assert str(agent) == "LoRAModel(0, m0)"


async def test_what_sqlite_refuses_takes_the_society_down(tmp_path: Path) -> None:
    """Another program holds the file, or it may not be written: every caller is told, and nothing is left at work."""

    async def refused() -> None:
        async with society(tmp_path) as opened:
            opened._platform.db.execute("PRAGMA query_only = ON")
            with pytest.raises(PlatformError, match="could not be written"):
                await opened.speak({0: brief(0)}, [[1], [], [], []])
            await opened.listen()

    with pytest.raises(PlatformError, match=r"oasis\.db could not be written: attempt to write a readonly database"):
        await refused()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_first_failure_is_the_one_that_is_told() -> None:
    channel = FutureChannel()
    channel.fail(PlatformError("the disk is full"))
    channel.fail(PlatformError("the society was closed"))
    with pytest.raises(PlatformError, match="the disk is full"):
        channel.check()


async def test_an_answer_for_a_caller_who_left_is_dropped() -> None:
    channel = FutureChannel()
    number = await channel.write_to_receive_queue((0, "text", "create_post"))
    waiting = asyncio.create_task(channel.read_from_send_queue(number))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await channel.send_to((number, 0, {"success": True}))
    channel.check()


def test_the_platform_has_the_attributes_of_a_stock_platform(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`SocietyPlatform` does not call OASIS's constructor: a new attribute there must be noticed."""
    ours = SocietyPlatform(tmp_path / "ours.db", FutureChannel())
    assert capsys.readouterr().out == ""
    stock = Platform(str(tmp_path / "stock.db"), FutureChannel(), recsys_type="random")
    own = {"db", "db_cursor", "db_path", "channel", "start_time", "sandbox_clock", "pl_utils"}
    assert {name: vars(ours).get(name) for name in vars(stock) if name not in own} == {
        name: value for name, value in vars(stock).items() if name not in own
    }
    assert own <= vars(ours).keys()
    assert vars(ours.pl_utils).keys() == vars(stock.pl_utils).keys()


def test_database_has_the_tables_of_a_stock_one(tmp_path: Path) -> None:
    ours = SocietyPlatform(tmp_path / "ours.db", FutureChannel())
    stock = Platform(str(tmp_path / "stock.db"), FutureChannel(), recsys_type="random")
    schema = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
    assert ours.db_cursor.execute(schema).fetchall() == stock.db_cursor.execute(schema).fetchall()
