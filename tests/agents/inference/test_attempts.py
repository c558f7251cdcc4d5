"""The attempts of one call at one tier: moves, retries and the deadline. The servers are real, the tier is http."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agents.inference.attempts import Attempts
from agents.inference.backend import InferenceSettings
from agents.inference.errors import OutOfTimeError, PermanentError, ServerLostError, TransientError
from agents.inference.provenance import CallRecord, CallStatus, Reply, Tier
from agents.inference.servers.balancing import Balancing
from agents.inference.servers.discovery import ASK_TIMEOUT
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.http import HTTPBackend
from agents.inference.servers.slots import Slots
from tests.agents.inference.conftest import make_request
from tests.support import faults
from tests.support.faults import Fault
from tests.support.scripted_vllm import Route as Page
from tests.support.scripted_vllm import ScriptedVLLM

OK, FAILED, CANCELLED = CallStatus.OK, CallStatus.FAILED, CallStatus.CANCELLED


class HttpAttempts:
    """The tier http over `servers`, and the records of what it did."""

    def __init__(self, *servers: ScriptedVLLM, **changes: Any) -> None:
        values = {"timeout": 5.0, "cooldown": 0.2, "balancing": Balancing.ROUND_ROBIN} | changes
        settings = InferenceSettings(**values)
        self.records: list[CallRecord] = []
        self.registry = EndpointRegistry([server.url for server in servers], settings)
        self.backend = HTTPBackend(Slots(self.registry))
        self.attempts = Attempts(Tier.HTTP, self.backend, self.registry, self.records.append)

    async def ask(self, seconds: float = math.inf) -> Reply:
        return await self.attempts.reply(make_request(), (), time.monotonic() + seconds)

    @property
    def ends(self) -> list[tuple[int, CallStatus, str]]:
        return [(record.attempt, record.status, record.endpoint) for record in self.records]


@asynccontextmanager
async def http_attempts(*servers: ScriptedVLLM, **changes: Any) -> AsyncIterator[HttpAttempts]:
    http = HttpAttempts(*servers, **changes)
    await http.registry.refresh()
    try:
        yield http
    finally:
        await http.backend.aclose()
        assert [endpoint.pending for endpoint in http.registry.endpoints] == [0] * len(servers)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[ScriptedVLLM, ScriptedVLLM]]:
    async with ScriptedVLLM() as left, ScriptedVLLM() as right:
        yield left, right


Pair = tuple[ScriptedVLLM, ScriptedVLLM]


class TestMoves:
    async def test_a_failed_call_moves_to_another_server_at_once(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("agents.inference.attempts.BACKOFF", 60.0)
        left, right = pair
        left.script(Fault.SERVER_ERROR)
        async with http_attempts(left, right, retries=0) as http:
            began = time.monotonic()
            reply = await http.ask()
            assert time.monotonic() - began < 10  # no back-off
        assert http.ends == [(1, FAILED, left.url), (2, OK, right.url)]
        assert (reply.provenance.endpoint, reply.provenance.attempt) == (right.url, 2)

    async def test_every_server_is_tried_before_a_retry_counts(self, pair: Pair) -> None:
        left, right = pair
        left.script(Fault.SERVER_ERROR)
        right.script(Fault.SERVER_ERROR)
        async with http_attempts(left, right, retries=0) as http:
            with pytest.raises(TransientError, match="answered 500"):
                await http.ask()
        assert {record.endpoint for record in http.records} == {left.url, right.url}
        assert len(http.records) == 2

    async def test_a_retry_pauses_and_may_go_to_any_server(self, pair: Pair) -> None:
        left, right = pair
        left.script(Fault.SERVER_ERROR)
        right.script(Fault.SERVER_ERROR)
        async with http_attempts(left, right, retries=1) as http:
            began = time.monotonic()
            await http.ask()
            assert time.monotonic() - began > 0.1
        assert [status for _, status, _ in http.ends] == [FAILED, FAILED, OK]

    async def test_a_call_does_not_move_to_a_resting_server(self, pair: Pair) -> None:
        """A move that would end up at the server that just failed waits as a retry does."""
        left, right = pair
        async with http_attempts(left, right, retries=1) as http:
            http.registry.endpoints[1].rest_until = time.monotonic() + 60
            left.script(Fault.SERVER_ERROR)
            began = time.monotonic()
            await http.ask()
            assert time.monotonic() - began > 0.1
        assert [url for _, _, url in http.ends] == [left.url, left.url]

    async def test_a_permanent_error_is_not_moved(self, pair: Pair) -> None:
        left, right = pair
        left.mishaps.append(faults.status(400, "too long"))
        async with http_attempts(left, right) as http:
            with pytest.raises(PermanentError):
                await http.ask()
        assert len(http.records) == 1
        assert right.bodies == []


class TestDeadline:
    async def test_no_attempt_is_made_when_the_time_is_over(self, stub: ScriptedVLLM) -> None:
        async with http_attempts(stub) as http:
            with pytest.raises(OutOfTimeError):
                await http.ask(0.0)
        assert (http.records, stub.bodies) == ([], [])

    async def test_the_deadline_bounds_attempts_pauses_and_checks_together(self, pair: Pair) -> None:
        hang, drip = pair[0].faulty(Fault.SLOW_HEADERS), pair[1].faulty(Fault.NEVER_ENDING_BODY)
        async with http_attempts(*pair, timeout=0.3, retries=50) as http, hang, drip:
            began = time.monotonic()
            with pytest.raises((ServerLostError, OutOfTimeError)):
                await http.ask(1.0)
            assert time.monotonic() - began < 5
        assert len(http.records) >= 3

    async def test_an_attempt_cut_short_does_not_hide_what_was_wrong(self, stub: ScriptedVLLM) -> None:
        stub.delay = 0.4
        stub.script(Fault.SERVER_ERROR)
        async with http_attempts(stub, retries=5) as http:
            with pytest.raises(TransientError, match="500"):
                await http.ask(0.8)
        assert [record.error_class for record in http.records][-1] == "OutOfTimeError"

    async def test_the_deadline_bounds_the_last_health_check_too(self, stub: ScriptedVLLM) -> None:
        stub.script(Fault.SLOW_HEADERS)
        async with http_attempts(stub, timeout=0.2, retries=0) as http:
            stub.script(Fault.SLOW_HEADERS, route=Page.HEALTH)
            began = time.monotonic()
            with pytest.raises(ServerLostError):
                await http.ask(0.4)
            assert time.monotonic() - began < 0.8 * ASK_TIMEOUT

    async def test_a_server_given_too_little_time_is_not_blamed(self, stub: ScriptedVLLM) -> None:
        stub.delay = 0.3
        async with http_attempts(stub, timeout=5.0) as http:
            with pytest.raises(OutOfTimeError, match="the time that the call had left"):
                await http.ask(0.05)
            [endpoint] = http.registry.endpoints
            assert endpoint.limit.value == http.registry.settings.concurrency
            assert endpoint.breaker.failures == 0

    async def test_waiting_for_a_slot_does_not_shorten_an_attempt(self, stub: ScriptedVLLM) -> None:
        """However long the queue, an attempt has `timeout` seconds from when it is sent."""
        stub.delay = 0.2
        async with http_attempts(stub, timeout=1.0, concurrency=2, retries=0) as http:
            await asyncio.gather(*(http.ask() for _ in range(14)))
        assert {status for _, status, _ in http.ends} == {OK}
        assert max(record.queue_time for record in http.records) > 1.0  # longer than an attempt may take
        assert max(record.latency for record in http.records) < 1.0


class TestRecords:
    async def test_a_cancelled_attempt_records_its_queue_time(self, stub: ScriptedVLLM) -> None:
        stub.delay = 0.2
        async with http_attempts(stub, concurrency=1) as http:
            first = asyncio.create_task(http.ask())
            await asyncio.sleep(0.02)
            second = asyncio.create_task(http.ask())
            await first
            began = time.perf_counter()
            await asyncio.sleep(0.05)
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
            lasted = time.perf_counter() - began
        ended = http.records[-1]
        assert (ended.status, ended.endpoint) == (CANCELLED, stub.url)
        assert ended.queue_time > 0.1
        assert ended.latency < lasted + 0.1
