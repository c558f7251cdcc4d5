"""Asking servers about themselves, and saying in plain words why one does not answer."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.inference.errors import PermanentError, ServerLostError
from agents.inference.servers.discovery import (
    ServedModel,
    answers,
    ask_version,
    how_to_start,
    is_healthy,
    is_refusal,
    list_models,
    open_session,
    read_models,
    reason,
    root_of,
)
from agents.inference.servers.wire import LONGEST_BODY
from agents.inference.vllm.lifecycle import LifecycleError, LoraLifecycle, ServedAdapter, ServedBase
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

    async def test_a_missing_key_is_not_a_missing_server(self, session: aiohttp.ClientSession) -> None:
        async with ScriptedVLLM(api_key="k") as server:
            with pytest.raises(PermanentError, match="answered 401: it wants an API key; name the variable"):
                await list_models(session, server.url, {})
            assert await list_models(session, server.url, {"Authorization": "Bearer k"})
        with pytest.raises(ServerLostError, match=r"nothing answers at .* \(connection refused\)") as caught:
            await list_models(session, UNUSED, {})
        assert caught.value.refused

    @pytest.mark.parametrize("fault", [Fault.DROPPED, Fault.RESET_MID_BODY])
    async def test_a_broken_connection_is_no_refusal(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession, fault: Fault
    ) -> None:
        async with stub.faulty(fault, Page.MODELS):
            with pytest.raises(ServerLostError) as caught:
                await list_models(session, stub.url, {})
        assert not caught.value.refused

    async def test_an_endless_model_list_is_not_read_to_its_end(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        stub._standing[Page.MODELS] = faults.raw(b" " * faults.HUGE)
        with pytest.raises(PermanentError, match="more than 8 MiB"):
            await list_models(session, stub.url, {})

    @given(payload=JSON)
    def test_any_model_list_is_read_or_a_clear_error(self, payload: Any) -> None:
        with suppress(PermanentError):
            assert all(isinstance(model.name, str) for model in read_models(payload, "http://s/v1"))


class TestHealthAndVersion:
    async def test_a_healthy_server_is_healthy(self, stub: ScriptedVLLM, session: aiohttp.ClientSession) -> None:
        assert await is_healthy(session, stub.url, {})
        assert await ask_version(session, stub.url, {}) == VERSION

    @pytest.mark.parametrize(("status", "well"), [(500, False), (503, False), (404, True), (401, True), (429, True)])
    async def test_only_server_errors_make_a_server_unhealthy(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession, status: int, well: bool
    ) -> None:
        stub._standing[Page.HEALTH] = faults.status(status)
        assert await is_healthy(session, stub.url, {}) is well

    async def test_a_version_is_harmless_for_a_terminal(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        stub._standing[Page.VERSION] = faults.raw(orjson.dumps({"version": "0.1\x1b[31mRED"}))
        assert await ask_version(session, stub.url, {}) == r"0.1\x1b[31mRED"

    async def test_health_and_version_fail_where_nothing_answers(self, session: aiohttp.ClientSession) -> None:
        for ask in (is_healthy, ask_version):
            with pytest.raises(ServerLostError):
                await ask(session, UNUSED, {})


def test_root_of_is_the_address_above_the_api() -> None:
    assert root_of("http://s:8000/v1") == "http://s:8000"
    assert root_of("http://s/base") == "http://s/base"


@pytest.mark.parametrize(
    ("url", "port"), [("http://s:8123/v1", 8123), ("http://s/v1", 8000), ("http://s:x/v1", 8000), ("", 8000)]
)
def test_how_to_start_gives_the_command(url: str, port: int) -> None:
    assert how_to_start(url) == f"start one with: vllm serve BASE --port {port} --enable-lora --lora-modules NAME=PATH"


class TestOneSynchronousAsk:
    def test_answers_is_true_where_models_are_listed(self, stub_in_thread: str) -> None:
        assert answers(stub_in_thread, dict)
        assert not answers(stub_in_thread + "/other", dict)
        assert not answers(UNUSED, dict)
        assert not answers("not a url", dict)

    def test_answers_sends_the_key(self, stub_in_thread: str) -> None:
        asked = []

        def headers() -> dict[str, str]:
            asked.append(True)
            return {"Authorization": "Bearer k"}

        assert answers(stub_in_thread, headers)
        assert asked


class TestReasons:
    def test_reason_gives_an_error_number_in_words(self) -> None:
        error = OSError(errno.ECONNRESET, "whatever the library says")
        assert reason(error) == os.strerror(errno.ECONNRESET).lower()

    def test_is_refusal_finds_nested_refusals(self) -> None:
        outer = RuntimeError("outer")
        outer.__cause__ = ValueError("middle")
        outer.__cause__.__context__ = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        assert is_refusal(outer)
        assert not is_refusal(RuntimeError("alone"))


ODD_ROWS = [
    {"id": "a", "parent": ["base"], "root": {"path": 1}, "max_model_len": "long"},
    {"id": "b", "parent": 5, "root": None, "max_model_len": -1},
    {"id": "c", "parent": "base", "root": "/c", "max_model_len": True},
    {"id": "d", "parent": "\x1b[31mred", "root": "/d\n/e"},
]


class TestListsOfAnotherShape:
    async def test_values_of_another_type_count_as_missing(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        nameless: list[Any] = [None, 5, {}, {"id": None}, {"id": ["a"]}, {"name": "a"}, {"id": "\x1b[2J"}]
        async with answering(stub, {"data": [*nameless, *ODD_ROWS]}):
            found = await list_models(session, stub.url, {})
        assert found == [ServedModel("a"), ServedModel("b"), ServedModel("c", "base", "/c"), ServedModel("d")]

    @pytest.mark.parametrize(
        "body", [b"", b"[", b'{"data": null}', b"[" * 1000 + b"]" * 1000, b"x" * (LONGEST_BODY + 1)], ids=range(5)
    )
    async def test_an_answer_that_is_no_model_list_is_refused(
        self, stub: ScriptedVLLM, session: aiohttp.ClientSession, body: bytes
    ) -> None:
        stub._standing[Page.MODELS] = faults.raw(body)
        with pytest.raises(PermanentError, match=stub.url):
            await list_models(session, stub.url, {})
        async with LoraLifecycle(stub.url) as lifecycle:
            with pytest.raises(LifecycleError, match=stub.url):
                await lifecycle.served()

    async def test_a_lifecycle_lists_what_discovery_finds(self, stub: ScriptedVLLM) -> None:
        async with answering(stub, {"data": ODD_ROWS}), LoraLifecycle(stub.url) as lifecycle:
            served = await lifecycle.served()
        assert served.bases == tuple(ServedBase(name, "") for name in "abd")
        assert served.adapters == (ServedAdapter("c", "base", "/c"),)


@asynccontextmanager
async def answering(stub: ScriptedVLLM, listing: Any) -> AsyncIterator[None]:
    stub._standing[Page.MODELS] = faults.raw(orjson.dumps(listing))
    yield
