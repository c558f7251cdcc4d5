"""A stock OASIS society of OASIS's own `SocialAgent`s; only their model is ours."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from agents.inference.client import VLLMClient
from agents.inference.society_backend import SocietyBackend
from agents.oasis_import import contained_import

with contained_import():
    import oasis  # noqa: TID251 - what a user would do
    from oasis import ActionType, AgentGraph, LLMAction, Platform, SocialAgent, UserInfo  # noqa: TID251

Trace = list[tuple[int, str, dict[str, Any]]]


async def step_stock_agents(
    client: VLLMClient, adapters: tuple[str, ...], folder: Path, config: dict[str, Any] | None = None
) -> Trace:
    """One `LLMAction` of a stock agent per adapter; what OASIS traced of it: user, action, info."""
    graph = AgentGraph()
    for number, adapter in enumerate(adapters):
        graph.add_agent(
            SocialAgent(
                agent_id=number,
                user_info=UserInfo(
                    f"user{number}", f"user{number}", "A user.", profile={"other_info": {"user_profile": "Curious."}}
                ),
                model=SocietyBackend(client, adapter, config=config),
                agent_graph=graph,
                available_actions=[ActionType.CREATE_POST, ActionType.DO_NOTHING],
            )
        )
    database = folder / "stock.db"
    platform = Platform(db_path=str(database), recsys_type="random")
    env = oasis.make(agent_graph=graph, platform=platform, database_path=str(database))
    await env.reset()
    await env.step({graph.get_agent(number): LLMAction() for number in range(len(adapters))})
    await env.close()
    rows = sqlite3.connect(database).execute("SELECT user_id, action, info FROM trace WHERE action != 'sign_up'")
    return [(user, action, json.loads(info)) for user, action, info in rows]
