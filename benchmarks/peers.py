"""Plain OASIS doing the same work: its own agents, channel and platform, with CAMEL's models for vLLM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.inference.servers.camel import vllm_model
from agents.oasis_import import contained_import

with contained_import():
    import oasis
    from oasis import ActionType, AgentGraph, LLMAction, SocialAgent, UserInfo
    from oasis.social_platform.channel import Channel
    from oasis.social_platform.platform import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

TWO_TOOLS = (ActionType.CREATE_POST, ActionType.DO_NOTHING)


def social_agents(n: int, url: str, tools: Sequence[ActionType] | None, graph: Any = None) -> list[Any]:
    """Return `n` agents that share one model, as OASIS's examples build them; `tools` None gives all 29 tools."""
    model = vllm_model(url, "cooperator", 60.0)
    model.model_config_dict = {"max_tokens": 4096}  # CAMEL also uses it as the context limit
    return [
        SocialAgent(
            agent_id=number,
            user_info=UserInfo(
                f"m{number}", f"m{number}", "a negotiator", profile={"other_info": {"user_profile": "a negotiator"}}
            ),
            model=model,
            agent_graph=graph,
            available_actions=None if tools is None else list(tools),
        )
        for number in range(n)
    ]


@contextlib.asynccontextmanager
async def plain_oasis(
    n: int, url: str, tools: Sequence[ActionType] | None, folder: Path, concurrency: int = 128
) -> Any:
    """Yield an environment of `n` stock agents; `concurrency` of them act at the same time (OASIS's default: 128)."""
    graph = AgentGraph()
    for agent in social_agents(n, url, tools, graph):
        graph.add_agent(agent)
    path = str(folder / "plain.db")
    with contextlib.redirect_stdout(io.StringIO()):
        platform = Platform(db_path=path, channel=Channel(), recsys_type="random")
    environment = oasis.make(agent_graph=graph, platform=platform, database_path=path, semaphore=concurrency)
    await environment.reset()
    try:
        yield environment
    finally:
        await environment.close()
        gc.collect()  # stock agents never close their HTTP clients: close them in their own event loop
        await asyncio.sleep(0)


async def plain_step(environment: Any) -> None:
    await environment.step({agent: LLMAction() for _, agent in environment.agent_graph.get_agents()})
