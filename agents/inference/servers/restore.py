"""Load adapters again at a server that lost them because it was started again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from agents.inference.errors import BadReplyError
from agents.inference.servers.discovery import read_body
from agents.inference.servers.served_model import ServedModel
from agents.inference.servers.wire import server_message

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger("society.inference")

LOAD_TIMEOUT = 60.0


async def restored(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    before: Mapping[str, ServedModel],
    now: Sequence[ServedModel],
) -> list[ServedModel]:
    """Load the adapters that a server had before, from the folders that it named, and return what it serves then.

    Only a server with vLLM's load call does it. What could not be loaded is logged.

    Args:
        session: Makes the calls.
        url: The server's URL.
        headers: The headers with its key.
        before: What it served before it was down, by name.
        now: What it serves now.
    """
    there = {model.name: model for model in now}
    lost = [each for name, each in before.items() if name not in there and _can_be_loaded(each, there)]
    models = [*now]
    for each in lost:
        problem = await _load(session, url, headers, each)
        if problem:
            logger.warning("%s came back without adapter %r and did not load it again: %s", url, each.name, problem)
        else:
            logger.warning("%s came back without adapter %r; it was loaded again from %s", url, each.name, each.root)
            models.append(each)
    return models


def _can_be_loaded(model: ServedModel, there: Mapping[str, ServedModel]) -> bool:
    """Return whether an adapter's base is served and its folder is known: some servers name the base's there."""
    base = there.get(model.parent or "")
    return base is not None and bool(model.root) and model.root != base.root


async def _load(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], model: ServedModel) -> str:
    """Ask a server to load an adapter; return why it did not, or an empty text."""
    import aiohttp

    request = {"lora_name": model.name, "lora_path": model.root}
    limit = aiohttp.ClientTimeout(total=LOAD_TIMEOUT)
    try:
        async with session.post(f"{url}/load_lora_adapter", json=request, headers=headers, timeout=limit) as response:
            body = await read_body(response, url)
            return "" if response.status == 200 else f"it answered {response.status}: {server_message(body)}"
    except (aiohttp.ClientError, asyncio.TimeoutError, BadReplyError, ValueError) as error:
        return str(error) or type(error).__name__
