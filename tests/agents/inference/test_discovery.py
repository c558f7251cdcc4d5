"""Asking servers about themselves, and saying in plain words why one does not answer."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.discovery import (
    ServedModel,
    _read_models,
    answers,
    ask_version,
    how_to_start,
    is_healthy,
    is_refusal,
    list_models,
    open_session,
    reason,
    root_of,
)
from agents.inference.errors import PermanentError, ServerLostError
from tests.support import faults
from tests.support.faults import Fault
from tests.support.scripted_vllm import VERSION, ScriptedVLLM
from tests.support.scripted_vllm import Route as Page

UNUSED = "http://127.0.0.1:9/v1"
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "data", "parent", "x"]), inner),
    max_leaves=12,
)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as session:
        yield session


class TestListing:
    async def test_adapters_name_their_base(self, stub: ScriptedVLLM, session: aiohttp.ClientSession) -> None:
        models = await list_models(session, stub.url, {})
        assert models[:2] == [
            ServedModel("base", None, "/models/tiny", 2048),
            ServedModel("cooperator", "base", "/a/cooperator", None),
        ]

    async def test_a_server_that_wants_a_key_is_told_from_one_that_is_not_there(
        self, session: aiohttp.ClientSession
    ) -> None:
        async with ScriptedVLLM(api_key="k") as server:
            with pytest.raises(PermanentError, match="answered 401: it wants an API key; name the variable"):
                await list_models(session, server.url, {})
            assert await list_models(session, server.url, {"Authorization": "Bearer k"})
        with pytest.raises(ServerLostError, match=r"nothing answers at .* \(connection refused\)") as caught:
            await list_models(session, UNUSED, {})
        assert caught.value.refused

    @pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.RESET_MID_BODY])
    async def test_a_connection_that_breaks_is_no_refusal(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession, fault: Fault
    ) -> None:
        async with stub.faulty(fault, Page.MODELS):
            with pytest.raises(ServerLostError) as caught:
                await list_models(session, stub.url, {})
        assert not caught.value.refused

    async def test_an_endless_list_is_not_read_to_its_end(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        stub._standing[Page.MODELS] = faults.raw(b" " * faults.HUGE)
        with pytest.raises(PermanentError, match="more than 8 MiB"):
            await list_models(session, stub.url, {})

    @given(payload=JSON)
    def test_whatever_is_listed_is_models_or_a_clear_error(self, payload: Any) -> None:
        with suppress(PermanentError):
            assert all(isinstance(model.name, str) for model in _read_models(payload, "http://s/v1"))


class TestHealthAndVersion:
    async def test_a_well_server_says_so(self, stub: ScriptedVLLM, session: aiohttp.ClientSession) -> None:
        assert await is_healthy(session, stub.url, {})
        assert await ask_version(session, stub.url, {}) == VERSION

    @pytest.mark.parametrize(("status", "well"), [(500, False), (503, False), (404, True), (401, True), (429, True)])
    async def test_only_an_error_of_its_own_makes_it_unwell(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession, status: int, well: bool
    ) -> None:
        stub._standing[Page.HEALTH] = faults.status(status)
        assert await is_healthy(session, stub.url, {}) is well

    async def test_where_nothing_answers_both_say_so(self, session: aiohttp.ClientSession) -> None:
        for ask in (is_healthy, ask_version):
            with pytest.raises(ServerLostError):
                await ask(session, UNUSED, {})


def test_pages_beside_the_api_stand_at_the_root() -> None:
    assert root_of("http://s:8000/v1") == "http://s:8000"
    assert root_of("http://s/base") == "http://s/base"


@pytest.mark.parametrize(
    ("url", "port"), [("http://s:8123/v1", 8123), ("http://s/v1", 8000), ("http://s:x/v1", 8000), ("", 8000)]
)
def test_how_a_server_is_started(url: str, port: int) -> None:
    assert how_to_start(url) == f"start one with: vllm serve BASE --port {port} --enable-lora --lora-modules NAME=PATH"


class TestOneSynchronousAsk:
    def test_it_tells_whether_models_are_listed(self, stub_in_thread: str) -> None:
        assert answers(stub_in_thread, dict)
        assert not answers(stub_in_thread + "/other", dict)
        assert not answers(UNUSED, dict)
        assert not answers("not a url", dict)

    def test_it_sends_the_key(self, stub_in_thread: str) -> None:
        asked = []

        def headers() -> dict[str, str]:
            asked.append(True)
            return {"Authorization": "Bearer k"}

        assert answers(stub_in_thread, headers)
        assert asked


class TestReasons:
    def test_an_errors_number_is_told_in_words(self) -> None:
        error = OSError(errno.ECONNRESET, "whatever the library says")
        assert reason(error) == os.strerror(errno.ECONNRESET).lower()

    def test_a_refusal_is_found_however_deep(self) -> None:
        outer = RuntimeError("outer")
        outer.__cause__ = ValueError("middle")
        outer.__cause__.__context__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        assert is_refusal(outer)
        assert not is_refusal(RuntimeError("alone"))
