"""A server that sends exactly the bytes of a test, also those that no HTTP library would send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

import orjson


def http_answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a complete HTTP answer; `headers` are sent unchanged, even if they contradict the body."""
    lines = [f"HTTP/1.1 {status} As-scripted", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class RawServer:
    """`async with RawServer(("a",)) as server: server.says = b"..."`.

    It lists the models, and answers every other request with these bytes and closes the connection. `heads` has the
    requests' heads, in lower case.
    """

    def __init__(self, models: Iterable[str]) -> None:
        self.says = b""
        self.heads: list[bytes] = []
        self.listing = http_answer(200, orjson.dumps({"data": [{"id": name, "parent": "base"} for name in models]}))
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = (await reader.readuntil(b"\r\n\r\n")).lower()
            self.heads.append(asked)
            length = asked.partition(b"content-length:")[2].partition(b"\r\n")[0].strip()
            await reader.readexactly(int(length or 0))  # unread bytes would reset the connection
            writer.write(self.listing if asked.startswith(b"get /v1/models") else self.says)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client closed the connection
        finally:
            writer.close()
