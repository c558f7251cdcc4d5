"""The http tier: `/chat/completions` of a server, asked directly with aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson

from agents.inference.backend import Completion
from agents.inference.errors import BadReplyError, PermanentError, ServerLostError
from agents.inference.loops import PerLoop
from agents.inference.provenance import Request, Tier
from agents.inference.servers.discovery import CONNECT_TIMEOUT, is_refusal, read_body, reason
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.server import ServerBackend
from agents.inference.servers.sessions import closed_with
from agents.inference.servers.slots import Slots
from agents.inference.servers.wire import chat_body, error_of, read_completion, read_json

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
        status, answer, headers = await self._post(endpoint, orjson.dumps(chat_body(request, endpoint.gives_odds)))
        body = endpoint.without_key(answer)
        if status != 200:
            raise error_of(
                status,
                body,
                headers,
                adapter=request.adapter,
                endpoint=endpoint.url,
                served=endpoint.served,
            )
        return read_completion(read_json(body, endpoint.url), endpoint.url, request.adapter, request.choices)

    async def _post(self, endpoint: Endpoint, data: bytes) -> tuple[int, bytes, Mapping[str, str]]:
        import aiohttp

        url, headers = endpoint.url, endpoint.headers()
        try:
            async with self._session().post(f"{url}/chat/completions", data=data, headers=headers) as response:
                return response.status, await read_body(response, url), response.headers
        except asyncio.TimeoutError as error:  # to connect: the time of the whole attempt is bounded elsewhere
            raise ServerLostError(
                f"{url} accepted no connection within {CONNECT_TIMEOUT:g} s", overload=True
            ) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise ServerLostError(
                f"the connection to {url} failed ({reason(error)})", refused=is_refusal(error)
            ) from error
        except aiohttp.ClientResponseError as error:
            raise BadReplyError(f"{url} sent an answer that is not HTTP: {error}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise PermanentError(f"{url} cannot be asked: {error}") from error

    def _session(self) -> aiohttp.ClientSession:
        session = self._sessions.get()
        if session is None or session.closed:
            session = self._sessions.put(closed_with(self, _open(self._settings.trust_env)))
        return session


def _open(trust_env: bool) -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        headers={"Content-Type": "application/json"},
        trust_env=trust_env,
    )
