"""Prepared calls on real sockets: the bytes that a session would send, and every form of an answer."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.errors import BadReplyError, PermanentError, ServerLostError
from agents.inference.servers import posts
from agents.inference.servers.chat import ChatCalls
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.posts import PreparedPost

BODY = b'{"ok": true}'
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + BODY
CALL = {"model": "cooperator", "messages": [{"role": "user", "content": "Sprich \u00fcber 合作."}]}


class RawServer:
    """A server that sends bytes: it answers the n-th request with the n-th of `answers`, and the last one again."""

    def __init__(self, *answers: bytes, hang_up: bool = False) -> None:
        self.answers, self.hang_up = answers, hang_up
        self.requests: list[bytes] = []
        self.connections = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self.answers[min(len(self.requests), len(self.answers)) - 1])
                if self.hang_up:
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        writer.close()


@asynccontextmanager
async def raw_server(*answers: bytes, hang_up: bool = False) -> AsyncIterator[RawServer]:
    server = RawServer(*answers, hang_up=hang_up)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    async with listening:
        yield server
        await asyncio.sleep(0)  # the connections end


def endpoint_at(url: str, api_key_env: str | None = None) -> Endpoint:
    settings = EndpointSettings(url, api_key_env=api_key_env)
    return EndpointRegistry((settings,), InferenceSettings()).endpoints[0]


async def asked(url: str, times: int = 1, api_key_env: str | None = None) -> list[Any]:
    calls, endpoint = ChatCalls(), endpoint_at(url, api_key_env)
    try:
        return [await calls.ask(endpoint, CALL) for _ in range(times)]
    finally:
        await calls.aclose()


@pytest.mark.parametrize("key", [None, "sk-geheim"])
async def test_a_prepared_post_sends_the_bytes_of_a_session(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.setenv("POSTS_KEY", key or "")
    async with raw_server(PLAIN) as server:
        await asked(server.url, times=2, api_key_env="POSTS_KEY" if key else None)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        body = server.requests[0].partition(b"\r\n\r\n")[2]
        async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
            await session.post(f"{server.url}/chat/completions", data=body, headers=headers)
    assert server.requests[0] == server.requests[1] == server.requests[2]
    assert "合作".encode() in body


async def test_posts_in_turn_share_one_connection() -> None:
    async with raw_server(PLAIN) as server:
        assert await asked(server.url, times=5) == [{"ok": True}] * 5
    assert server.connections == 1


async def test_a_connection_closed_while_the_loop_was_busy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "QUIET", 0.0)
    async with raw_server(PLAIN) as server:
        calls, endpoint = ChatCalls(), endpoint_at(server.url)
        await calls.ask(endpoint, CALL)
        server.writers[0].get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # the loop has not noticed it yet
        assert await asyncio.gather(*(calls.ask(endpoint, CALL) for _ in range(3))) == [{"ok": True}] * 3
        await calls.aclose()
    assert server.connections == 4


CHUNKS = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (4, BODY[:4], len(BODY) - 4, BODY[4:])
ZIPPED = gzip.compress(BODY)
ANSWERS = {
    "with its length": PLAIN,
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "packed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(ZIPPED), ZIPPED),
    "after interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
    "of a server that closes": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12\r\n\r\n" + BODY,
    "of HTTP 1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("form", ANSWERS)
async def test_a_post_reads_every_form_of_an_answer(form: str) -> None:
    async with raw_server(ANSWERS[form]) as server:
        assert await asked(server.url, times=3) == [{"ok": True}] * 3
    assert len(server.requests) == 3


async def test_a_post_reads_an_answer_that_ends_with_its_connection() -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, hang_up=True) as server:
        assert await asked(server.url, times=2) == [{"ok": True}] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", ServerLostError, "the connection to"),
        (PLAIN[:-3], ServerLostError, "the connection to"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", BadReplyError, "sent an answer that is not HTTP: 400"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", ServerLostError, "the connection to"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", PermanentError, "answered 302"),
    ],
)
async def test_a_post_without_an_answer_is_one_error(answer: bytes, error: type[Exception], words: str) -> None:
    async with raw_server(answer, hang_up=True) as server:
        with pytest.raises(error, match=words):
            await asked(server.url)
    assert len(server.requests) == 1


def moved_to(port: int) -> bytes:
    return (
        b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:%d/v1/chat/completions\r\nContent-Length: 0\r\n\r\n" % port
    )


async def test_posts_follow_a_redirect() -> None:
    async with raw_server(PLAIN) as there, raw_server(moved_to(int(there.url.split(":")[2][:-3]))) as here:
        assert await asked(here.url, times=3) == [{"ok": True}] * 3
    assert (len(here.requests), len(there.requests)) == (4, 3)
    assert {request.partition(b"\r\n\r\n")[2] for request in here.requests + there.requests} == {
        here.requests[0].partition(b"\r\n\r\n")[2]
    }


async def test_redirects_without_an_end_are_one_error() -> None:
    around = b"HTTP/1.1 307 Moved\r\nLocation: /v1/chat/completions\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(around) as server:
        with pytest.raises(PermanentError, match="cannot be asked: it redirects without an end"):
            await asked(server.url)


async def test_posts_return_the_cookies_of_a_server() -> None:
    answer = PLAIN.replace(b"\r\n\r\n", b"\r\nSet-Cookie: route=a7; Path=/\r\n\r\n", 1)
    async with raw_server(answer) as server:
        await asked(server.url.replace("127.0.0.1", "localhost"), times=2)  # a jar takes no cookies of bare addresses
    assert b"Cookie" not in server.requests[0]
    assert b"\r\nCookie: route=a7\r\n" in server.requests[1]


@pytest.mark.parametrize(
    "changed", [lambda url: url.replace("http://", "http://me:pw@"), lambda _: "http://", lambda _: "http://a:99999/v1"]
)
async def test_a_login_or_a_wrong_url_is_left_to_the_session(
    monkeypatch: pytest.MonkeyPatch, changed: Callable[[str], str]
) -> None:
    monkeypatch.setattr(PreparedPost, "post", None)
    async with raw_server(PLAIN) as server:
        url = changed(server.url)
        if "@" in url:
            assert await asked(url) == [{"ok": True}]
            assert b"\r\nAuthorization: Basic " in server.requests[0]
        else:
            with pytest.raises(PermanentError, match="cannot be asked"):
                await asked(url)


async def test_an_api_key_with_a_line_break_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTS_KEY", "sk\r\nHost: elsewhere")
    async with raw_server(PLAIN) as server:
        with pytest.raises(PermanentError, match="cannot be asked"):
            await asked(server.url, api_key_env="POSTS_KEY")
    assert server.requests == []


async def test_a_cancelled_post_closes_its_connection() -> None:
    async with raw_server(b"") as server:
        calls, endpoint = ChatCalls(), endpoint_at(server.url)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(calls.ask(endpoint, CALL), 0.1)
        server.answers = (PLAIN,)
        assert await calls.ask(endpoint, CALL) == {"ok": True}
        await calls.aclose()
    assert server.connections == 2
