"""The live page over real HTTP: who has access, and that a stream loses and repeats nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import TypeAdapter

from agents.problems import UsageError
from simulation.plan import Plan
from simulation.runs.runner import run_scenario
from simulation.store.log import EventLog
from simulation.tables.run import Run
from simulation.watch.follower import Follower
from simulation.watch.server import LivePage
from simulation.watch.stream import Stream
from simulation.watch.training import follower_of
from simulation.watch.view import LiveView, WatchStatus
from tests.simulation.watch.joined import joined
from tests.simulation.watch.test_follower import copy_of
from tests.simulation.watch.test_state import assert_equals_tables

VIEW = TypeAdapter(LiveView)


@asynccontextmanager
async def page(path: Path) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """The address of a run's live page, and an HTTP session."""
    async with (
        LivePage(Stream(follower_of(path), pause=0.01)).serve(0) as address,
        aiohttp.ClientSession() as session,
    ):
        yield address, session


async def views(
    session: aiohttp.ClientSession, address: str, last: str | None = None
) -> AsyncIterator[tuple[str, LiveView]]:
    """(id, view) of every server-sent event, as they come."""
    headers = {"Last-Event-ID": last} if last is not None else {}
    async with session.get(f"{address}events", headers=headers) as response:
        assert response.content_type == "text/event-stream"
        number = ""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("id: "):
                number = line[4:]
            if line.startswith("data: "):
                yield number, VIEW.validate_python(json.loads(line[6:]))


async def until_finished(stream: AsyncIterator[tuple[str, LiveView]]) -> list[LiveView]:
    found = []
    async for _, view in stream:
        found.append(view)
        if view.answer is not None and view.answer.title.endswith("finished"):
            break
    return found


def undated(view: LiveView) -> dict[str, Any]:
    """A view without the values that depend on the time of the request."""
    body = VIEW.dump_python(view, mode="json")
    del body["progress"]["written"], body["progress"]["unread"]
    return body


@pytest.fixture
def finished(make_plan: Callable[..., Plan], runs: Path) -> Run:
    return run_scenario(make_plan(), out=runs)


async def written(log: Path, content: bytes, pieces: int) -> None:
    """Write a log piece by piece, as a run does."""
    size = -(-len(content) // pieces)
    with log.open("ab") as file:
        for start in range(0, len(content), size):
            file.write(content[start : start + size])
            file.flush()
            await asyncio.sleep(0.02)


async def test_early_and_late_readers_end_with_the_same_tables(finished: Run, tmp_path: Path) -> None:
    log = copy_of(finished, tmp_path / "copy")
    content = (finished.path / EventLog.NAME).read_bytes()
    async with page(log.parent) as (address, session):
        early = asyncio.create_task(until_finished(views(session, address)))
        await written(log, content[: len(content) // 2], 8)
        late = asyncio.create_task(until_finished(views(session, address)))
        await written(log, content[len(content) // 2 :], 8)
        seen = await asyncio.wait_for(asyncio.gather(early, late), 10)
        after = await until_finished(views(session, address))
    assert len(seen[0]) > len(seen[1]) > 1
    assert len(after) == 1
    for each in (*seen, after):
        assert each[0].whole
        assert_equals_tables(joined(each), finished)
        assert undated(joined(each)) == undated(joined(after))


async def test_stream_reader_goes_on_where_it_stopped(finished: Run, tmp_path: Path) -> None:
    """Disconnect after every event and come back with Last-Event-ID, as a browser does."""
    log = copy_of(finished, tmp_path / "copy")
    seen: list[LiveView] = []
    async with page(log.parent) as (address, session):
        writing = asyncio.create_task(written(log, (finished.path / EventLog.NAME).read_bytes(), 20))
        last: str | None = None
        while not seen or seen[-1].progress.status is not WatchStatus.FINISHED:
            async for number, view in views(session, address, last):
                last = number
                seen.append(view)
                break
        await writing
    assert [view.whole for view in seen].count(True) == 1  # the first
    assert_equals_tables(joined(seen), finished)
    numbers = [entry.number for view in seen for entry in view.entries]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("last", ["99999", "-1", "nonsense", "٣", "9" * 5000])
async def test_unknown_event_id_gets_a_whole_view(finished: Run, last: str) -> None:
    async with page(finished.path) as (address, session):
        await until_finished(views(session, address))
        (only,) = await until_finished(views(session, address, last))
    assert only.whole
    assert_equals_tables(only, finished)


async def test_live_page_waits_for_a_run_that_has_not_begun(finished: Run, tmp_path: Path) -> None:
    async with page(tmp_path / "later") as (address, session):
        stream = views(session, address)
        _, waiting = await anext_(stream)
        assert waiting.progress.status is WatchStatus.WAITING
        finished.path.rename(tmp_path / "later")
        seen = await asyncio.wait_for(until_finished(stream), 10)
    assert_equals_tables(joined([waiting, *seen]), Run(tmp_path / "later"))


async def anext_(stream: AsyncIterator[Any]) -> Any:
    return await stream.__anext__()


def refused(address: str) -> list[tuple[str, dict[str, str]]]:
    """Requests that must be refused: address and headers."""
    root, token = address.rstrip("/").rsplit("/", 1)
    port = root.rsplit(":", 1)[1]
    paths = ["", "/", "/events", "//events", "/favicon.ico", f"/{token[:-1]}/", f"/{token}x/", "/ü/", f"/x/{token}/"]
    foreign_hosts = [
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "",
        f"127.0.0.1:{port}.evil.example",
    ]
    return [
        *((f"{root}{path}", {}) for path in paths),
        *((f"{address}{name}", {"Host": host}) for name in ("", "events") for host in foreign_hosts),
    ]


async def test_live_page_refuses_wrong_token_or_host(finished: Run) -> None:
    async with page(finished.path) as (address, session):
        for url, headers in refused(address):
            async with session.get(url, headers=headers) as response:
                assert response.status == 403, (url, headers)
                assert finished.path.name not in await response.text()
        async with session.get(address.replace("127.0.0.1", "localhost")) as response:
            assert response.status == 200
        async with session.post(address) as response:
            assert response.status == 405


async def test_live_page_has_strict_headers(finished: Run) -> None:
    async with page(finished.path) as (address, session):
        for name in ("", "page.css", "page.js", "icon.svg", "events"):
            async with session.get(f"{address}{name}") as response:
                assert response.status == 200
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert response.headers["Referrer-Policy"] == "no-referrer"
        async with session.get(f"{address}server.py") as response:
            assert response.status == 404


async def test_live_page_has_new_token_and_local_address(finished: Run) -> None:
    async with page(finished.path) as (first, _), page(finished.path) as (second, _):
        tokens = {address.rstrip("/").rsplit("/", 1)[1] for address in (first, second)}
        assert len(tokens) == 2
        assert min(map(len, tokens)) >= 32
        assert first.startswith("http://127.0.0.1:")


def test_model_texts_reach_the_page_as_text_only() -> None:
    import simulation.watch

    script = (Path(simulation.watch.__file__).parent / "assets/page.js").read_text()
    for door in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "srcdoc"):
        assert door not in script


async def test_port_in_use_is_refused(finished: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"--port {port}"):
            async with LivePage(Stream(Follower(finished.path))).serve(port):
                pass


async def test_stream_keeps_a_bounded_number_of_bytes(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.watch.stream.RECENT_BYTES", 20_000)
    log = copy_of(finished, tmp_path / "copy")
    lines = (finished.path / EventLog.NAME).read_bytes().splitlines(keepends=True)
    stream = Stream(Follower(log.parent), pause=0.001)
    following = asyncio.create_task(stream.follow())
    for line in lines:
        with log.open("ab") as file:
            file.write(line)
        await asyncio.sleep(0.003)
    await stream.close()
    await following
    assert sum(len(sent.data) for sent in stream._recent) <= 20_000
    (whole,) = stream.since(1)  # too far behind for increments
    assert json.loads(whole.data)["whole"]
    (newest, *_) = itertools.islice(reversed(stream._recent), 1)
    (last,) = stream.since(newest.number - 1)
    assert last == newest
