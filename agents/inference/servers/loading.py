"""Ask a server again that is loading its model, or is busy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agents.inference.errors import LoadingError, TransientError

logger = logging.getLogger("society.inference")
Answer = TypeVar("Answer")
PauseAfter = Callable[[TransientError], float | None]
"""Takes an error to the seconds until the server is asked again; None where it is not."""


async def asked_again(ask: Callable[[], Awaitable[Answer]], patience: float, pause_after: PauseAfter) -> Answer:
    """Return what `ask` returns, asked again after errors that pass.

    Args:
        ask: Asks the server.
        patience: The most seconds to wait.
        pause_after: Says which errors pass, and when.

    Raises:
        TransientError: As the last ask.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return await ask()
        except TransientError as error:
            pause = pause_after(error)
            if pause is None or time.monotonic() + pause >= until:
                raise
        await asyncio.sleep(pause)


async def when_loaded(ask: Callable[[], Awaitable[Answer]], patience: float) -> Answer:
    """Return what `ask` returns, asked again while the server is loading its model.

    Args:
        ask: Asks the server.
        patience: The most seconds to wait.

    Raises:
        LoadingError: The server is still loading.
    """
    told = False

    def pause_after(error: TransientError) -> float | None:
        nonlocal told
        if not isinstance(error, LoadingError):
            return None
        if not told and error.retry_after < patience:
            logger.warning("%s; waiting for it up to %.0f s (inference.deadline)", error, patience)
            told = True
        return error.retry_after

    return await asked_again(ask, patience, pause_after)
