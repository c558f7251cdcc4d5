"""Calls of `/chat/completions` with aiohttp, which both server tiers make: connections of each event loop apart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from agents.inference.errors import BadReplyError, InferenceError, PermanentError, ServerLostError
from agents.inference.loops import PerLoop
from agents.inference.servers.discovery import CONNECT_TIMEOUT, is_refusal, reason, without_login
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.posts import Posts
from agents.inference.servers.sessions import closed_with
from agents.inference.servers.wire import error_of, read_json


class ChatCalls:
    """Makes chat calls at endpoints; with `trust_env` through the proxies that the environment names."""

    def __init__(self, trust_env: bool = False) -> None:
        self._trust_env = trust_env
        self._posts: PerLoop[Posts] = PerLoop()

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        posts = self._posts.pop()
        if posts is not None:
            await posts.session.close()

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Any:
        """Return the JSON that a server answers to a chat call.

        Args:
            endpoint: The server.
            body: The request; `model` is the adapter.

        Raises:
            InferenceError: The server did not answer, or refused; `agents.inference.errors` says how.
        """
        url, data, key = endpoint.url, orjson.dumps(body), endpoint.headers()
        try:
            status, answer, headers = await self._open().post(f"{url}/chat/completions", data, key, url)
        except Exception as error:
            found = _meaning(error, url)
            if found is None:
                raise
            raise found from error
        answer = endpoint.without_key(answer)
        if status != 200:
            raise error_of(
                status, answer, headers, adapter=str(body["model"]), endpoint=endpoint.url, served=endpoint.served
            )
        return read_json(answer, endpoint.url)

    def _open(self) -> Posts:
        posts = self._posts.get()
        if posts is None or posts.session.closed:
            posts = self._posts.put(Posts(self._trust_env))
            closed_with(self, posts.session)
        return posts


def _meaning(error: Exception, url: str) -> InferenceError | None:
    """Return what an error of aiohttp means; None for any other error."""
    import aiohttp

    if isinstance(error, asyncio.TimeoutError):  # to connect: the time of the whole attempt is bounded elsewhere
        return ServerLostError(f"{url} accepted no connection within {CONNECT_TIMEOUT:g} s", overload=True)
    if isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)):
        return ServerLostError(f"the connection to {url} failed ({reason(error)})", refused=is_refusal(error))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return PermanentError(f"the proxy for {url} refused the connection: {error.status}")
    around = isinstance(error, aiohttp.TooManyRedirects)
    if isinstance(error, aiohttp.ClientResponseError) and not around:
        return BadReplyError(f"{url} sent an answer that is not HTTP: {error}")
    if isinstance(error, (aiohttp.ClientError, ValueError)):
        why = "it redirects without an end" if around else without_login(str(error))
        return PermanentError(f"{url} cannot be asked: {why}")
    return None
