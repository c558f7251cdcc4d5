"""A scripted server in its own event loop and thread, for synchronous tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.scripted_vllm import ScriptedVLLM


@contextmanager
def in_thread(server: ScriptedVLLM) -> Iterator[ScriptedVLLM]:
    """Let `server` listen until the block ends; what it received can be read at any time."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
