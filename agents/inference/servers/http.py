"""The http tier: `/chat/completions` of a server, asked directly with aiohttp."""

from __future__ import annotations

from agents.inference.backend import Completion
from agents.inference.provenance import Request, Tier
from agents.inference.servers.chat import ChatCalls
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.server import ServerBackend
from agents.inference.servers.slots import Slots
from agents.inference.servers.wire import chat_body


class HTTPBackend(ServerBackend):
    """A `TierBackend` that asks the endpoints of `slots` with aiohttp."""

    tier = Tier.HTTP

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self._calls = ChatCalls(self._settings.trust_env)

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self._calls.aclose()

    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        body = chat_body(request, endpoint.dialect, endpoint.name_of(request.adapter))
        return endpoint.read(await self._calls.ask(endpoint, body), request)
