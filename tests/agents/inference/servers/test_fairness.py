"""More adapters than the server runs at a time: each gets its turn."""

from __future__ import annotations

import asyncio

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.provenance import Tier
from tests.agents.inference.conftest import make_request
from tests.support.scripted_vllm import ScriptedVLLM

ADAPTERS = tuple("abcdef")
CALLS = 20


async def order_of_replies(concurrency: int) -> list[str]:
    """Ask a server that runs two adapters at a time; calls of one adapter come first, then those of the next."""
    replies: list[str] = []
    async with ScriptedVLLM(ADAPTERS, delay=0.002) as server:
        server.most_adapters = 2
        settings = InferenceSettings(tiers=(Tier.HTTP,), require=Tier.HTTP, concurrency=concurrency)
        async with VLLMClient(endpoints=[server.url], settings=settings) as client:

            async def ask(adapter: str) -> None:
                await client.generate(make_request(adapter))
                replies.append(adapter)

            await asyncio.gather(*(ask(adapter) for adapter in ADAPTERS for _ in range(CALLS)))
    return replies


async def test_no_adapter_waits_for_all_calls_of_another() -> None:
    replies = await order_of_replies(concurrency=6)
    assert len(replies) == CALLS * len(ADAPTERS)
    begins = {adapter: replies.index(adapter) for adapter in ADAPTERS}
    ends = {adapter: len(replies) - 1 - replies[::-1].index(adapter) for adapter in ADAPTERS}
    assert max(begins.values()) < len(replies) / 3
    assert min(ends.values()) > len(replies) / 2
