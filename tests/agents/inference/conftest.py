"""Requests as a run makes them, and a stub server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from agents.inference.provenance import CallKey, ChatMessage, Purpose, Request
from tests.support.scripted_vllm import ScriptedVLLM


def make_request(adapter: str = "cooperator", **changes: Any) -> Request:
    fields: dict[str, Any] = {
        "key": CallKey(episode=0, step=1, model_id="m1", purpose=Purpose.TALK),
        "adapter": adapter,
        "messages": (ChatMessage("system", "You play."), ChatMessage("user", "Speak.")),
    }
    return Request(**(fields | changes))


@pytest.fixture
async def stub() -> AsyncIterator[ScriptedVLLM]:
    async with ScriptedVLLM() as server:
        yield server


@pytest.fixture
def stub_in_thread() -> Iterator[str]:
    """The URL of a stub that runs in a loop of its own, for synchronous tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ScriptedVLLM()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    yield server.url
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
