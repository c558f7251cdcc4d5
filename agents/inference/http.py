"""The tier http: a server's `/chat/completions` asked directly with aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import orjson

from agents.inference.backend import Completion, InferenceSettings
from agents.inference.endpoints import CONNECT_TIMEOUT, Endpoint, EndpointPool, ServerLostError, reason
from agents.inference.errors import PermanentError
from agents.inference.provenance import Request, Tier
from agents.inference.server import ServerBackend
from agents.inference.wire import chat_body, error_of, read_completion, read_json

if TYPE_CHECKING:
    import aiohttp


class HTTPBackend(ServerBackend):
    """A `TierBackend` over the endpoints of `pool`; one session per event loop."""

    tier = Tier.HTTP

    def __init__(self, pool: EndpointPool, settings: InferenceSettings) -> None:
        super().__init__(pool, settings)
        self._sessions: MutableMapping[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()

    async def aclose(self) -> None:
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        status, body, headers = await self._post(endpoint.url, orjson.dumps(chat_body(request)))
        if status != 200:
            raise error_of(
                status,
                body,
                headers,
                adapter=request.adapter,
                endpoint=endpoint.url,
                served=endpoint.served,
            )
        return read_completion(read_json(body, endpoint.url), endpoint.url)

    async def _post(self, url: str, data: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        import aiohttp

        try:
            async with self._session().post(f"{url}/chat/completions", data=data) as response:
                return response.status, await response.read(), response.headers
        except asyncio.TimeoutError as error:
            raise ServerLostError(f"{url} gave no answer within {self._settings.timeout:g} s") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise ServerLostError(f"the connection to {url} broke ({reason(error)})") from error
        except aiohttp.ClientError as error:
            raise PermanentError(f"{url} cannot be asked: {error}") from error

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = self._sessions[loop] = self._open()
        return session

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._settings.concurrency),
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout, sock_connect=CONNECT_TIMEOUT),
            headers={"Content-Type": "application/json"},
        )
