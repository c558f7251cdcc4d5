"""Calls of `/chat/completions` with aiohttp, which both server tiers make: one session per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from agents.inference.errors import BadReplyError, PermanentError, ServerLostError
from agents.inference.loops import PerLoop
from agents.inference.servers.discovery import CONNECT_TIMEOUT, is_refusal, read_body, reason, without_login
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.sessions import closed_with
from agents.inference.servers.wire import error_of, read_json

if TYPE_CHECKING:
    import aiohttp


class ChatCalls:
    """Makes chat calls at endpoints; with `trust_env` through the proxies that the environment names."""

    def __init__(self, trust_env: bool = False) -> None:
        self._trust_env = trust_env
        self._sessions: PerLoop[aiohttp.ClientSession] = PerLoop()

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        session = self._sessions.pop()
        if session is not None:
            await session.close()

    async def ask(self, endpoint: Endpoint, body: Mapping[str, Any]) -> Any:
        """Return the JSON that a server answers to a chat call.

        Args:
            endpoint: The server.
            body: The request; `model` is the adapter.

        Raises:
            InferenceError: The server did not answer, or refused; `agents.inference.errors` says how.
        """
        status, answer, headers = await self._post(endpoint, orjson.dumps(body))
        answer = endpoint.without_key(answer)
        if status != 200:
            raise error_of(
                status, answer, headers, adapter=str(body["model"]), endpoint=endpoint.url, served=endpoint.served
            )
        return read_json(answer, endpoint.url)

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
        except aiohttp.ClientHttpProxyError as error:
            raise PermanentError(f"the proxy for {url} refused the connection: {error.status}") from error
        except aiohttp.ClientResponseError as error:
            raise BadReplyError(f"{url} sent an answer that is not HTTP: {error}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise PermanentError(f"{url} cannot be asked: {without_login(str(error))}") from error

    def _session(self) -> aiohttp.ClientSession:
        session = self._sessions.get()
        if session is None or session.closed:
            session = self._sessions.put(closed_with(self, _open(self._trust_env)))
        return session


def _open(trust_env: bool) -> aiohttp.ClientSession:
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        headers={"Content-Type": "application/json"},
        trust_env=trust_env,
    )
