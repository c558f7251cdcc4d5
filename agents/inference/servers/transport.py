"""The HTTP client of the camel tier: httpx on top of aiohttp, which refuses answers that are no replies.

CAMEL's own reader accepts values that no file can store (NaN, half a surrogate pair), and blocks the event loop for
seconds on a reply of a hundred thousand parts. So every reply is read here first, as the http tier reads it.

httpx's own transport scans its pool at every call, which is the larger part of what a call through CAMEL costs.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from agents.inference.errors import BadReplyError
from agents.inference.servers.api_key import without_key
from agents.inference.servers.discovery import CONNECT_TIMEOUT
from agents.inference.servers.sessions import closed_with
from agents.inference.servers.wire import LONGEST_BODY, read_completion, read_json, shown, too_long

_ENCODINGS = {"gzip": (32 + zlib.MAX_WBITS,), "deflate": (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""The encodings that are asked for, and zlib's windows to read them: some servers send deflate without its header."""
_NO_KEY = "Bearer Not_Used"
"""What CAMEL sends to a server that needs no key."""


def bounded_client(url: str, trust_env: bool = False) -> httpx.AsyncClient:
    """Return a client for the server at `url`; it raises BadReplyError for an answer that is no reply, or too long.

    Args:
        url: The server's URL.
        trust_env: Whether it uses the proxies that the environment names.
    """
    headers = {"Accept-Encoding": ", ".join(_ENCODINGS)}
    return httpx.AsyncClient(transport=_BoundedTransport(url, trust_env), follow_redirects=True, headers=headers)


class _BoundedTransport(httpx.AsyncBaseTransport):
    """httpx's transport, on top of aiohttp, whose responses have bounded bodies."""

    def __init__(self, url: str, trust_env: bool) -> None:
        self._url = url
        self._trust_env = trust_env
        self._inner = AiohttpTransport(client=self._open)

    def _open(self) -> aiohttp.ClientSession:
        return closed_with(self, _open(self._trust_env))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        encoding = response.headers.pop("Content-Encoding", "")  # decompressed here: httpx would do it without a bound
        response.stream = _BoundedStream(response, response.stream, encoding, self._url, request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    """A body in one part: no reply is streamed, and what CAMEL logs of it must not contain the key."""

    def __init__(
        self, response: httpx.Response, stream: httpx.AsyncByteStream, encoding: str, url: str, request: httpx.Request
    ) -> None:
        self._response = response
        self._stream = stream
        self._encoding = encoding
        self._url = url
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, size = [], 0
        async for part in self._stream:
            parts.append(part)
            size += len(part)
            if size > LONGEST_BODY:
                raise too_long(self._url)
        body = _decompressed(b"".join(parts), self._encoding.strip().lower(), self._url)
        if self._request.headers.get("Authorization") != _NO_KEY:
            body = without_key(body, self._request.headers)
        if self._response.status_code == 200:
            payload = read_json(body, self._url)
            read_completion(payload, self._url, _model_of(payload, self._request))
        yield body

    async def aclose(self) -> None:
        await self._stream.aclose()


def _model_of(payload: Any, request: httpx.Request) -> str | None:
    """Return the model that a reply names, or the one that was asked for where it is no reply."""
    if not isinstance(payload, dict):
        return None
    if "choices" in payload:
        return payload.get("model")
    asked: str | None = orjson.loads(request.content).get("model")
    return asked


def _decompressed(body: bytes, encoding: str, url: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in _ENCODINGS:
        raise BadReplyError(f"{url} sent the encoding {shown(encoding)}, which was not asked for")
    refused: zlib.error | None = None
    for wbits in _ENCODINGS[encoding]:
        try:
            return _inflated(body, wbits, encoding, url)
        except zlib.error as error:
            refused = refused or error
    raise BadReplyError(f"{url} sent a body that is no {encoding}: {refused}") from refused


def _inflated(body: bytes, wbits: int, encoding: str, url: str) -> bytes:
    """Return the body decompressed; it may have several parts. Raises zlib.error if it has another encoding."""
    parts, left = [], LONGEST_BODY + 1
    while body:
        unpacker = zlib.decompressobj(wbits=wbits)
        parts.append(unpacker.decompress(body, left))
        left -= len(parts[-1])
        if left <= 0:
            raise too_long(url)
        if not unpacker.eof:
            raise BadReplyError(f"{url} sent a truncated {encoding} body")
        body = unpacker.unused_data
    return b"".join(parts)


def _open(trust_env: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        trust_env=trust_env,
    )
