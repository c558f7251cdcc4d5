"""The home page of a folder of runs, served to this machine only.

    http://127.0.0.1:PORT/TOKEN/                     the page: every run, study and training below the folder
    http://127.0.0.1:PORT/TOKEN/catalog              the same as JSON
    http://127.0.0.1:PORT/TOKEN/report/PATH          its report, made when it is asked for
    http://127.0.0.1:PORT/TOKEN/watch/PATH/          its live page
    http://127.0.0.1:PORT/TOKEN/compare?run=A&run=B  the comparison of chosen ones

PATH is empty for the folder itself, where it is a study. A path that the catalog does not have is refused, so nothing
outside of the folder is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from html import escape
from pathlib import Path

import orjson
from aiohttp import web

from agents.problems import SocietyError
from agents.yaml_file import display
from simulation.watch.catalog import UNREADABLE, read_catalog
from simulation.watch.server import HEADERS, LocalPage, asset, following, send_events
from simulation.watch.stream import Stream

Render = Callable[[Sequence[Path], str], str]
"""Makes a page of folders; the text is the address of the home page, to which it links back."""
FILES = ("home.html", "home.js", "page.css", "icon.svg")
LIVE_FILES = ("page.html", "page.css", "page.js", "icon.svg")
_INLINE = {
    **HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


class HomePage(LocalPage):
    """The home page of a folder.

    Args:
        folder: The folder.
        report: Makes the report of one run or study.
        compare: Makes the comparison of several.
    """

    def __init__(self, folder: Path, report: Render, compare: Render) -> None:
        super().__init__("society view")
        self._folder, self._report, self._compare = folder, report, compare
        self._streams: dict[Path, Stream] = {}
        self._stack = AsyncExitStack()

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get("/{token}/catalog", self._catalog),
            web.get("/{token}/report/{path:.*}", self._report_page),
            web.get("/{token}/compare", self._compare_page),
            web.get("/{token}/watch/{path:.*}/events", self._events),
            web.get("/{token}/watch/{path:.*}/{name:[a-z.]*}", self._live_file),
            web.get("/{token}/{name:[a-z.]*}", self._file),
        ]

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Follow what is watched."""
        async with self._stack:
            yield

    async def _file(self, request: web.Request) -> web.Response:
        return asset(request.match_info["name"] or "home.html", FILES)

    async def _live_file(self, request: web.Request) -> web.Response:
        return asset(request.match_info["name"] or "page.html", LIVE_FILES)

    async def _catalog(self, _request: web.Request) -> web.Response:
        found = await asyncio.to_thread(read_catalog, self._folder)
        body = {"folder": display(self._folder), "entries": found}
        return web.Response(body=orjson.dumps(body), content_type="application/json", headers=HEADERS)

    async def _report_page(self, request: web.Request) -> web.Response:
        return await self._made(self._report, [request.match_info["path"]])

    async def _compare_page(self, request: web.Request) -> web.Response:
        return await self._made(self._compare, request.query.getall("run", []))

    async def _made(self, make: Render, names: Sequence[str]) -> web.Response:
        home = f"/{self.token}/"
        try:
            places = await self._places(names)
            page = await asyncio.to_thread(make, places, home)
        except (SocietyError, OSError) as error:
            style = "<style>body{font:15px system-ui;margin:2rem}</style>"
            page = f'<!doctype html><title>society view</title>{style}<a href="{home}">All runs</a>'
            text = f"{page}<pre>{escape(str(error))}</pre>"
            return web.Response(status=400, text=text, content_type="text/html", headers=_INLINE)
        return web.Response(text=page, content_type="text/html", headers=_INLINE)

    async def _places(self, names: Sequence[str]) -> list[Path]:
        known = {entry.path: entry.state for entry in await asyncio.to_thread(read_catalog, self._folder)}
        for name in names:
            if known.get(name) == UNREADABLE:
                raise SocietyError(f"{self._folder / name} {UNREADABLE}: it is not what society writes, or is closed")
            if name not in known:
                raise SocietyError(f"there is no run and no study {name} in {self._folder}")
        return [self._folder / name for name in names]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        try:
            (place,) = await self._places([request.match_info["path"]])
        except SocietyError as error:
            return web.Response(status=404, text=f"{error}\n", headers=HEADERS)
        if place not in self._streams:
            from simulation.watch.training import follower_of

            self._streams[place] = Stream(follower_of(place))
            await self._stack.enter_async_context(following(self._streams[place]))
        return await send_events(request, self._streams[place])
