"""The HTTP client the tier camel asks with: aiohttp beneath httpx, and no answer that is not a reply.

CAMEL's own reader takes what no file can hold (NaN, half a surrogate pair), and seconds of the event loop for a reply
of a hundred thousand parts. So every reply is read here first, as the tier http reads it.

httpx's own transport scans its pool at every call and is the larger part of what a call through CAMEL costs.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from agents.inference.api_key import without_key
from agents.inference.discovery import CONNECT_TIMEOUT
from agents.inference.errors import BadReplyError
from agents.inference.wire import LONGEST_BODY, read_completion, read_json, shown, too_long

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def bounded_client(url: str) -> httpx.AsyncClient:
    """A client for the server at `url`. It raises BadReplyError for what is no reply to the request, or too long."""
    return httpx.AsyncClient(transport=_BoundedTransport(url), follow_redirects=True)


class _BoundedTransport(httpx.AsyncBaseTransport):
    def __init__(self, url: str) -> None:
        self._url = url
        self._inner = AiohttpTransport(client=_open)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        packed = response.headers.pop("Content-Encoding", "")  # unpacked here: httpx would do it without a bound
        response.stream = _BoundedStream(response, response.stream, packed, self._url, request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    """One body, in one part: no reply is streamed, and what CAMEL logs of it must not hold the key."""

    def __init__(
        self, response: httpx.Response, stream: httpx.AsyncByteStream, packed: str, url: str, request: httpx.Request
    ) -> None:
        self._response = response
        self._stream = stream
        self._packed = packed
        self._url = url
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, size = [], 0
        async for part in self._stream:
            parts.append(part)
            size += len(part)
            if size > LONGEST_BODY:
                raise too_long(self._url)
        body = without_key(_unpacked(b"".join(parts), self._packed, self._url), self._request.headers)
        if self._response.status_code == 200:
            payload = read_json(body, self._url)
            read_completion(payload, self._url, payload.get("model") if isinstance(payload, dict) else None)
        yield body

    async def aclose(self) -> None:
        await self._stream.aclose()


def _unpacked(body: bytes, packed: str, url: str) -> bytes:
    if packed in ("", "identity"):
        return body
    if packed not in ("gzip", "deflate"):
        raise BadReplyError(f"{url} answered packed as {shown(packed)}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    try:
        whole = unpacker.decompress(body, LONGEST_BODY + 1)
    except zlib.error as error:
        raise BadReplyError(f"{url} answered with what is not packed as it says: {error}") from error
    if len(whole) > LONGEST_BODY:
        raise too_long(url)
    if not unpacker.eof:
        raise BadReplyError(f"{url} answered with what ends before its end: {packed}")
    return whole


def _open() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    )
