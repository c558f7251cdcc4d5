"""The background loop for synchronous callers."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from agents.inference.client import VLLMClient
from agents.inference.portal import Portal


async def nothing() -> None:
    """The last thing to do, where there is none."""


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    asyncio.run(portal.aclose(nothing))


async def loop_of() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def fail() -> None:
    raise ValueError("as told")


def test_portal_waits_for_results_in_one_loop(portal: Portal) -> None:
    with ThreadPoolExecutor(8) as threads:
        loops = list(threads.map(lambda _: portal.run(loop_of()), range(40)))
    assert len(set(loops)) == 1
    assert [thread.name for thread in threading.enumerate()].count("society-portal") == 1


def test_an_error_reaches_the_caller(portal: Portal) -> None:
    with pytest.raises(ValueError, match="as told"):
        portal.run(fail())


async def test_portal_works_inside_another_running_loop(portal: Portal) -> None:
    assert portal.run(loop_of()) is not asyncio.get_running_loop()


def test_portal_refuses_a_call_from_its_own_loop(portal: Portal) -> None:
    async def inside() -> None:
        portal.run(nothing())

    with pytest.raises(RuntimeError, match="await it instead"):
        portal.run(inside())


def test_closing_the_portal_cancels_running_calls(portal: Portal) -> None:
    cleaned = threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.set()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lambda: portal.run(long()))
        time.sleep(0.1)
        asyncio.run(portal.aclose(nothing))
        with pytest.raises(CancelledError):
            waiting.result(5)
    assert cleaned.is_set()


def test_a_closed_portal_starts_again(portal: Portal) -> None:
    first = portal.run(loop_of())
    asyncio.run(portal.aclose(nothing))
    assert portal.run(loop_of()) is not first


async def test_closing_runs_the_last_call_only_if_the_loop_was_started() -> None:
    portal, seen = Portal(), []

    async def last() -> None:
        seen.append(asyncio.get_running_loop())

    await portal.aclose(last)
    assert seen == []
    loop = portal.run(loop_of())
    await portal.aclose(last)
    assert seen == [loop]


def test_a_client_used_from_both_sides_closes_both(stub_in_thread: str, recwarn: pytest.WarningsRecorder) -> None:
    """Its connections are kept loop by loop; closing it leaves none open."""

    async def both() -> None:
        async with VLLMClient(stub_in_thread, "cooperator") as client:
            await client.ask("Speak.")
            await asyncio.to_thread(lambda: client.wait_for(client.ask("Speak.")))
            await client.ask("Speak.")

    asyncio.run(both())
    gc.collect()
    assert [str(each.message) for each in recwarn if "Unclosed c" in str(each.message)] == []  # client, connector
