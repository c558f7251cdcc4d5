"""The live page of a run, served to this machine only.

    http://127.0.0.1:PORT/TOKEN/         the page
    http://127.0.0.1:PORT/TOKEN/events   server-sent events, each a view

Every process makes a new token. A request without it, or for another host (DNS rebinding), is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from agents.problems import UsageError
from simulation.watch.stream import Stream

ADDRESS = "127.0.0.1"
HEARTBEAT = 15.0
FILES = {"": "text/html", "page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LivePage:
    """The page, its files and its stream, behind a token."""

    def __init__(self, stream: Stream) -> None:
        self.token = secrets.token_urlsafe(24)
        self._stream = stream
        self._hosts: frozenset[str] = frozenset()

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[str]:
        """Serve while the block lasts; the page's address.

        Args:
            port: The port; 0 is any free one.

        Raises:
            UsageError: The port cannot be used.
        """
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/{token}/events", self._events)
        app.router.add_get("/{token}/{name:[a-z.]*}", _file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        following = asyncio.create_task(self._stream.follow())
        try:
            bound = await _listen(runner, port)
            self._hosts = frozenset(f"{name}:{bound}" for name in (ADDRESS, "localhost"))
            yield f"http://{ADDRESS}:{bound}/{self.token}/"
        finally:
            await self._stream.close()
            await following
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request.path.split("/")[1]
        if request.headers.get("Host") not in self._hosts or not secrets.compare_digest(
            token.encode("utf-8", "surrogatepass"), self.token.encode()
        ):
            return web.Response(status=403, text="society watch: open the address it printed, token included\n")
        return await handler(request)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1000\n\n")
        last = request.headers.get("Last-Event-ID", "")
        read = int(last) if last.isascii() and last.isdigit() and len(last) < 20 else None
        with contextlib.suppress(ConnectionResetError):
            while not self._stream.closed:
                found = self._stream.since(read)
                for sent in found:
                    await response.write(b"id: %d\ndata: %s\n\n" % (sent.number, sent.data))
                    read = sent.number
                if not found:
                    await response.write(b": still here\n\n")
                await self._stream.wait(read or 0, HEARTBEAT)
        return response


async def _file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in FILES:
        return web.Response(status=404, text="society watch: no such file\n", headers=HEADERS)
    content = (Path(__file__).parent / "assets" / (name or "page.html")).read_text(encoding="utf-8")
    return web.Response(text=content, content_type=FILES[name], headers=HEADERS)


async def _listen(runner: web.AppRunner, port: int) -> int:
    """Listen at a port; its number."""
    try:
        await web.TCPSite(runner, ADDRESS, port).start()
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UsageError(f"--port {port}: {error.strerror or error}; choose another, 0 is any free one") from error
    bound: int = runner.addresses[0][1]
    return bound
