"""Wait for a server that is loading its model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.inference.errors import LoadingError
from agents.inference.servers.endpoint import LOADING_PAUSE

logger = logging.getLogger("society.inference")
Answer = TypeVar("Answer")


async def when_loaded(ask: Callable[[], Awaitable[Answer]], patience: float) -> Answer:
    """Return what `ask` returns, asked again while the server is loading its model.

    Args:
        ask: Asks the server.
        patience: The most seconds to wait.

    Raises:
        LoadingError: The server is still loading.
    """
    until, waited = time.monotonic() + patience, False
    while True:
        try:
            return await ask()
        except LoadingError as error:
            if time.monotonic() + LOADING_PAUSE >= until:
                raise
            if not waited:
                logger.warning("%s; waiting for it up to %.0f s (inference.deadline)", error, patience)
                waited = True
        await asyncio.sleep(LOADING_PAUSE)
