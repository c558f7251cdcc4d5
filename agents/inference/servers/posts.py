"""Chat calls on the connections of one event loop, with the work done once that is the same for every call.

`aiohttp.ClientSession.post` takes about 75 µs a call: it reads the address, joins headers and cookies, and makes a
request, a writer, a task and a response. `PreparedPost` makes the request once for each address and its headers. A call
then takes a connection from aiohttp's own pool, writes the same bytes, and lets aiohttp's own parser read the answer.

| the call                                                    | made with                                      |
|-------------------------------------------------------------|------------------------------------------------|
| any other                                                   | `PreparedPost`                                 |
| proxies of the environment, a login in the URL, a wrong URL | `ClientSession.post`                           |
| a header that cannot be sent                                | `ClientSession.post`                           |
| a server that sent a cookie, from then on                   | `ClientSession.post`                           |
| a server that redirects                                     | `ClientSession.post`, which asks it once more  |
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from agents.inference.servers.discovery import CONNECT_TIMEOUT, read_body, read_content

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.http import HttpProcessingError
    from multidict import CIMultiDictProxy
    from yarl import URL

_INTERIM = range(100, 200)
_SWITCHING = 101
_REDIRECTS = (301, 302, 303, 307, 308)
_UNSAFE = ("\r", "\n", "\0")
QUIET = 0.1
"""Seconds without an answer after which a call first lets the loop notice the connections that servers have closed."""
_A_MOMENT = 0.001


class HTTPAnswer(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def moved(self) -> bool:
        """Return whether it names another address."""
        return self.status in _REDIRECTS and ("Location" in self.headers or "URI" in self.headers)


class Posts:
    """Makes the calls of the running event loop; with `trust_env` through the proxies that the environment names."""

    def __init__(self, trust_env: bool = False) -> None:
        import aiohttp

        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=self._timeout,
            headers={"Content-Type": "application/json"},
            trust_env=trust_env,
        )
        self._cookies = self.session.cookie_jar
        self._answered = time.monotonic()
        self._prepared: dict[tuple[str, str], PreparedPost | None] = {}

    async def post(self, address: str, data: bytes, headers: Mapping[str, str], url: str) -> HTTPAnswer:
        """Return the answer to a POST.

        Args:
            address: Where it goes.
            data: The body.
            headers: The headers that name the API key.
            url: The server, for messages.

        Raises:
            BadReplyError: The answer is longer than `LONGEST_BODY`.
            aiohttp.ClientError, asyncio.TimeoutError, ValueError: The server gave no answer, or cannot be asked.
        """
        if time.monotonic() - self._answered > QUIET:  # the loop may have been busy while a server closed connections
            await asyncio.sleep(_A_MOMENT)
        key = (address, headers.get("Authorization", ""))
        prepared = self._prepared[key] if key in self._prepared else self._prepare(key, headers)
        if prepared is None or self._cookies:
            return await self._by_session(address, data, headers, url)
        answer = await prepared.post(data, url)
        self._answered = time.monotonic()
        if answer.moved:
            self._prepared[key] = None
            return await self._by_session(address, data, headers, url)
        if "Set-Cookie" in answer.headers:
            self._cookies.update_cookies_from_headers(answer.headers.getall("Set-Cookie"), prepared.address)
        return answer

    def _prepare(self, key: tuple[str, str], headers: Mapping[str, str]) -> PreparedPost | None:
        """Return what makes calls with this key; None where the session must make them."""
        address = _plain_address(key[0])
        usable = not self.session.trust_env and not any(mark in key[1] for mark in _UNSAFE)
        made = PreparedPost(self.session, address, headers, self._timeout) if address is not None and usable else None
        return self._prepared.setdefault(key, made)

    async def _by_session(self, address: str, data: bytes, headers: Mapping[str, str], url: str) -> HTTPAnswer:
        async with self.session.post(address, data=data, headers=headers) as response:
            answer = HTTPAnswer(response.status, await read_body(response, url), response.headers)
        self._answered = time.monotonic()
        return answer


class PreparedPost:
    """POSTs to one address with the same headers.

    Args:
        session: Whose connections and headers are used.
        address: The address.
        headers: The headers besides those of the session.
        timeout: The times that a connection may take.
    """

    def __init__(
        self, session: aiohttp.ClientSession, address: URL, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> None:
        import aiohttp
        from aiohttp.http import HttpProcessingError

        self._wrong = HttpProcessingError
        assert session.connector is not None
        self.address, self._timeout, self._connector = address, timeout, session.connector
        self._request = aiohttp.ClientRequest(
            "POST", address, headers={**session.headers, **headers}, data=b"-", loop=asyncio.get_running_loop()
        )
        self._head = _head_of(self._request)

    async def post(self, data: bytes, url: str) -> HTTPAnswer:
        """Return the answer to a POST of `data`; raises as `Posts.post`."""
        connection = await self._connector.connect(self._request, [], self._timeout)
        try:
            protocol, transport = connection.protocol, connection.transport
            assert protocol is not None
            assert transport is not None
            protocol.set_response_params(read_until_eof=True)
            transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(data), data))
            message, content = await protocol.read()
            while message.code in _INTERIM and message.code != _SWITCHING:  # as `aiohttp.ClientResponse.start` does
                message, content = await protocol.read()
            body = await read_content(content, message.headers, url)
        except self._wrong as error:
            connection.close()
            raise self._no_http(error) from error
        except BaseException:
            connection.close()
            raise
        connection.release()
        return HTTPAnswer(message.code, body, message.headers)

    def _no_http(self, error: HttpProcessingError) -> aiohttp.ClientResponseError:
        import aiohttp

        request = self._request.request_info
        return aiohttp.ClientResponseError(request, (), status=error.code, message=error.message, headers=error.headers)


def _head_of(request: aiohttp.ClientRequest) -> bytes:
    """Return the head of a request up to the number of its Content-Length, which comes last."""
    lines = [f"{name}: {value}\r\n" for name, value in request.headers.items() if name != "Content-Length"]
    return f"POST {request.url.raw_path_qs} HTTP/1.1\r\n{''.join(lines)}Content-Length: ".encode()


def _plain_address(text: str) -> URL | None:
    """Return an address that has a host and no login; None for any other text."""
    from yarl import URL

    try:
        address = URL(text)
    except ValueError:
        return None
    plain = address.scheme in ("http", "https") and address.raw_host and "@" not in address.raw_authority
    return address if plain else None
