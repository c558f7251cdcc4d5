"""One request to `/chat/completions` with aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agents.inference.errors import BadReplyError, PermanentError, ServerLostError
from agents.inference.servers.discovery import CONNECT_TIMEOUT, is_refusal, read_body, reason
from agents.inference.servers.endpoint import Endpoint

if TYPE_CHECKING:
    import aiohttp


async def post_chat(
    session: aiohttp.ClientSession, endpoint: Endpoint, data: bytes
) -> tuple[int, bytes, Mapping[str, str]]:
    """Post a body to `/chat/completions`; return the answer's status, body and headers.

    Raises:
        InferenceError: No whole answer came.
    """
    import aiohttp

    url, headers = endpoint.url, endpoint.headers()
    try:
        async with session.post(f"{url}/chat/completions", data=data, headers=headers) as response:
            return response.status, await read_body(response, url), response.headers
    except asyncio.TimeoutError as error:  # to connect: the time of the whole attempt is bounded elsewhere
        raise ServerLostError(f"{url} accepted no connection within {CONNECT_TIMEOUT:g} s", overload=True) from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
        raise ServerLostError(f"the connection to {url} failed ({reason(error)})", refused=is_refusal(error)) from error
    except aiohttp.ClientResponseError as error:
        raise BadReplyError(f"{url} sent an answer that is not HTTP: {error}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise PermanentError(f"{url} cannot be asked: {error}") from error


def open_chat_session() -> aiohttp.ClientSession:
    """Return a session for chat calls, whose time is bounded by the caller."""
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        headers={"Content-Type": "application/json"},
    )
