"""The http tier: `/chat/completions` of a server, asked directly with aiohttp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from agents.inference.backend import Completion
from agents.inference.loops import PerLoop
from agents.inference.provenance import Request, Tier
from agents.inference.servers.chat import open_chat_session, post_chat
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.server import ServerBackend
from agents.inference.servers.slots import Slots
from agents.inference.servers.wire import chat_body, error_of, read_json

if TYPE_CHECKING:
    import aiohttp


class HTTPBackend(ServerBackend):
    """A `TierBackend` that asks the endpoints of `slots` with aiohttp; one session per event loop."""

    tier = Tier.HTTP

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self._sessions: PerLoop[aiohttp.ClientSession] = PerLoop()

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        session = self._sessions.pop()
        if session is not None:
            await session.close()

    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        model = endpoint.name_of(request.adapter)
        status, answer, headers = await self._post(endpoint, orjson.dumps(chat_body(request, endpoint.dialect, model)))
        body = endpoint.without_key(answer)
        if status != 200:
            raise error_of(
                status,
                body,
                headers,
                adapter=model,
                endpoint=endpoint.url,
                served=endpoint.served,
            )
        return endpoint.read(read_json(body, endpoint.url), request)

    async def _post(self, endpoint: Endpoint, data: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        return await post_chat(self._session(), endpoint, data)

    def _session(self) -> aiohttp.ClientSession:
        session = self._sessions.get()
        return self._sessions.put(open_chat_session()) if session is None or session.closed else session
