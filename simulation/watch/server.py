"""Pages served to this machine only: the live page of a run, and what every such page shares.

    http://127.0.0.1:PORT/TOKEN/         the page
    http://127.0.0.1:PORT/TOKEN/events   server-sent events, each a view

Every process makes a new token. A request without it, or for another host (DNS rebinding), is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from agents.problems import UsageError
from simulation.watch.stream import Stream

ADDRESS = "127.0.0.1"
HEARTBEAT = 15.0
ASSETS = Path(__file__).parent / "assets"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
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


class LocalPage:
    """What is served behind a token, to this machine only.

    Args:
        command: The command that serves it, named where a request is refused.
    """

    def __init__(self, command: str) -> None:
        self.token = secrets.token_urlsafe(24)
        self._command = command
        self._hosts: frozenset[str] = frozenset()

    def routes(self) -> Sequence[web.RouteDef]:
        """Return what is served; every path begins with /{token}/."""
        raise NotImplementedError

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Do what goes on beside requests, while the block lasts."""
        yield

    @asynccontextmanager
    async def serve(self, port: int) -> AsyncIterator[str]:
        """Serve while the block lasts; the page's address.

        Args:
            port: The port; 0 is any free one.

        Raises:
            UsageError: The port cannot be used.
        """
        app = web.Application(middlewares=[self._guard])
        app.router.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            async with self.at_work():
                bound = await _listen(runner, port)
                self._hosts = frozenset(f"{name}:{bound}" for name in (ADDRESS, "localhost"))
                yield f"http://{ADDRESS}:{bound}/{self.token}/"
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        token = request.path.split("/")[1]
        if request.headers.get("Host") not in self._hosts or not secrets.compare_digest(
            token.encode("utf-8", "surrogatepass"), self.token.encode()
        ):
            return web.Response(status=403, text=f"{self._command}: open the address it printed, token included\n")
        return await handler(request)


class LivePage(LocalPage):
    """The live page of a run, its files and its stream."""

    def __init__(self, stream: Stream) -> None:
        super().__init__("society view")
        self._stream = stream

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.get("/{token}/events", self._events), web.get("/{token}/{name:[a-z.]*}", self._file)]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Follow the run."""
        async with following(self._stream):
            yield

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return await send_events(request, self._stream)

    async def _file(self, request: web.Request) -> web.Response:
        return asset(request.match_info["name"] or "page.html", ("page.html", "page.css", "page.js", "icon.svg"))


@asynccontextmanager
async def following(stream: Stream) -> AsyncIterator[None]:
    """Follow a run while the block lasts."""
    task = asyncio.create_task(stream.follow())
    try:
        yield
    finally:
        await stream.close()
        await task


async def send_events(request: web.Request, stream: Stream) -> web.StreamResponse:
    """Answer a request with the views of a stream, from the one on that the reader has not read."""
    response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b"retry: 1000\n\n")
    last = request.headers.get("Last-Event-ID", "")
    read = int(last) if last.isascii() and last.isdigit() and len(last) < 20 else None
    with contextlib.suppress(ConnectionResetError):
        while not stream.closed:
            found = stream.since(read)
            for sent in found:
                await response.write(b"id: %d\ndata: %s\n\n" % (sent.number, sent.data))
                read = sent.number
            if not found:
                await response.write(b": still here\n\n")
            await stream.wait(read or 0, HEARTBEAT)
    return response


def asset(name: str, known: Sequence[str]) -> web.Response:
    """Answer with one of the known files of this package."""
    if name not in known:
        return web.Response(status=404, text="no such file\n", headers=HEADERS)
    content = (ASSETS / name).read_text(encoding="utf-8")
    return web.Response(text=content, content_type=TYPES[Path(name).suffix], headers=HEADERS)


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
