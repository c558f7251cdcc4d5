"""The HTTP client the tier camel asks with: aiohttp beneath httpx, no answer longer than is sensible.

httpx's own transport scans its pool at every call and is the larger part of what a call through CAMEL costs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from agents.inference.api_key import without_key
from agents.inference.discovery import CONNECT_TIMEOUT
from agents.inference.wire import LONGEST_BODY, too_long


def bounded_client(url: str) -> httpx.AsyncClient:
    """A client for the server at `url`. It raises BadReplyError for an answer of more than `LONGEST_BODY` bytes."""
    return httpx.AsyncClient(transport=_BoundedTransport(url), follow_redirects=True)


class _BoundedTransport(httpx.AsyncBaseTransport):
    def __init__(self, url: str) -> None:
        self._url = url
        self._inner = AiohttpTransport(client=_open)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._url, request.headers)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    """One body, in one part: no reply is streamed, and what CAMEL logs of it must not hold the key."""

    def __init__(self, stream: httpx.AsyncByteStream, url: str, asked: Mapping[str, str]) -> None:
        self._stream = stream
        self._url = url
        self._asked = asked

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, size = [], 0
        async for part in self._stream:
            parts.append(part)
            size += len(part)
            if size > LONGEST_BODY:
                raise too_long(self._url)
        yield without_key(b"".join(parts), self._asked)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _open() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    )
