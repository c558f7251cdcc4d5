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

from agents.inference.errors import BadReplyError
from agents.inference.servers.api_key import without_key
from agents.inference.servers.discovery import CONNECT_TIMEOUT
from agents.inference.servers.wire import LONGEST_BODY, read_completion, read_json, shown, too_long

_PACKINGS = {"gzip": (32 + zlib.MAX_WBITS,), "deflate": (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""What is asked for, and the ways it may be read: some servers send deflate without its head."""
_NO_KEY = "Bearer Not_Used"
"""What CAMEL sends where a server wants no key."""


def bounded_client(url: str) -> httpx.AsyncClient:
    """A client for the server at `url`. It raises BadReplyError for what is no reply to the request, or too long."""
    headers = {"Accept-Encoding": ", ".join(_PACKINGS)}
    return httpx.AsyncClient(transport=_BoundedTransport(url), follow_redirects=True, headers=headers)


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
        body = _unpacked(b"".join(parts), self._packed.strip().lower(), self._url)
        if self._request.headers.get("Authorization") != _NO_KEY:
            body = without_key(body, self._request.headers)
        if self._response.status_code == 200:
            payload = read_json(body, self._url)
            read_completion(payload, self._url, payload.get("model") if isinstance(payload, dict) else None)
        yield body

    async def aclose(self) -> None:
        await self._stream.aclose()


def _unpacked(body: bytes, packed: str, url: str) -> bytes:
    if packed in ("", "identity"):
        return body
    if packed not in _PACKINGS:
        raise BadReplyError(f"{url} answered packed as {shown(packed)}, which was not asked for")
    refused: zlib.error | None = None
    for wbits in _PACKINGS[packed]:
        try:
            return _inflated(body, wbits, packed, url)
        except zlib.error as error:
            refused = refused or error
    raise BadReplyError(f"{url} answered with what is not packed as it says: {refused}") from refused


def _inflated(body: bytes, wbits: int, packed: str, url: str) -> bytes:
    """The body unpacked, however many parts it was packed in. Raises zlib.error where it is not of that kind."""
    parts, left = [], LONGEST_BODY + 1
    while body:
        unpacker = zlib.decompressobj(wbits=wbits)
        parts.append(unpacker.decompress(body, left))
        left -= len(parts[-1])
        if left <= 0:
            raise too_long(url)
        if not unpacker.eof:
            raise BadReplyError(f"{url} answered with what ends before its end: {packed}")
        body = unpacker.unused_data
    return b"".join(parts)


def _open() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    )
