"""The http tier against a stub server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from agents.inference.backend import InferenceSettings, Route
from agents.inference.errors import BadReplyError, PermanentError, ServerLostError, TransientError, UnknownAdapterError
from agents.inference.provenance import Sampling, Tier
from agents.inference.servers.balancing import Balancing
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.http import HTTPBackend
from agents.inference.servers.slots import Slots
from agents.inference.servers.wire import retry_after, token_budget
from tests.agents.inference.conftest import make_request
from tests.support import faults
from tests.support.scripted_vllm import ScriptedVLLM

UNUSED = "http://127.0.0.1:9/v1"  # the discard port: nothing listens


def backend_for(*urls: str, **changes: Any) -> HTTPBackend:
    settings = InferenceSettings(**({"timeout": 5.0} | changes))
    return HTTPBackend(Slots(EndpointRegistry(urls, settings)))


@pytest.fixture
async def backend(stub: ScriptedVLLM) -> AsyncIterator[HTTPBackend]:
    backend = backend_for(stub.url)
    yield backend
    await backend.aclose()


class TestRequests:
    async def test_http_sends_the_adapter_as_model_and_the_sampling(
        self, stub: ScriptedVLLM, backend: HTTPBackend
    ) -> None:
        request = make_request(sampling=Sampling(temperature=0.2, top_p=0.9, max_tokens=17), seed=5)
        completion = await backend.complete(request, Route())
        assert stub.bodies == [
            {
                "model": "cooperator",
                "messages": [
                    {"role": "system", "content": "You play."},
                    {"role": "user", "content": "Speak."},
                ],
                "temperature": 0.2,
                "top_p": 0.9,
                "max_tokens": 17,
                "seed": 5,
            }
        ]
        assert completion.text == "hello from cooperator"
        assert (completion.prompt_tokens, completion.completion_tokens) == (11, 4)
        assert completion.endpoint == stub.url

    async def test_choices_become_structured_outputs(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        completion = await backend.complete(make_request(choices=("合作", "背叛")), Route())
        assert stub.bodies[0]["structured_outputs"] == {"choice": ["合作", "背叛"]}
        assert completion.text == "合作"

    def test_a_choice_is_never_cut_by_max_tokens(self) -> None:
        request = make_request(choices=("stay", "contribute 20"), sampling=Sampling(max_tokens=1))
        assert token_budget(request) > len("contribute 20")
        assert token_budget(replace(request, choices=None)) == 1


class TestFailures:
    @pytest.mark.parametrize("code", [408, 429, 500, 502, 503])
    async def test_overload_and_server_errors_are_transient(
        self, stub: ScriptedVLLM, backend: HTTPBackend, code: int
    ) -> None:
        stub.mishaps.append(faults.status(code, "engine is busy"))
        with pytest.raises(TransientError, match=f"answered {code}: engine is busy") as caught:
            await backend.complete(make_request(), Route())
        assert caught.value.retry_after is None
        assert caught.value.endpoint == stub.url

    async def test_retry_after_is_read_in_any_case(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        stub.mishaps.append(faults.status(429, headers={"retry-after": "1.5"}))
        with pytest.raises(TransientError) as caught:
            await backend.complete(make_request(), Route())
        assert caught.value.retry_after == 1.5

    @pytest.mark.parametrize(
        ("header", "seconds"),
        [(None, None), ("3", 3.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("-1", 0.0)],
    )
    def test_retry_after_is_seconds_or_a_date(self, header: str | None, seconds: float | None) -> None:
        assert retry_after(header) == seconds

    @pytest.mark.parametrize("code", [400, 401, 403, 413, 422])
    async def test_client_errors_are_permanent_with_the_servers_message(
        self, stub: ScriptedVLLM, backend: HTTPBackend, code: int
    ) -> None:
        stub.mishaps.append(faults.status(code, "the prompt has 4097 tokens"))
        with pytest.raises(PermanentError, match="the prompt has 4097 tokens"):
            await backend.complete(make_request(), Route())

    @pytest.mark.parametrize(
        "answer",
        ["{broken", "", "[]", "{}", '{"choices": []}', '{"choices": [{"message": {"content": null}}]}'],
    )
    async def test_http_refuses_an_answer_that_is_no_completion(
        self, stub: ScriptedVLLM, backend: HTTPBackend, answer: str
    ) -> None:
        stub.mishaps.append(faults.raw(answer))
        with pytest.raises(BadReplyError, match=stub.url):
            await backend.complete(make_request(), Route())

    @pytest.mark.parametrize("mishap", [faults.drop, faults.drop_halfway])
    async def test_a_broken_connection_is_transient(
        self, stub: ScriptedVLLM, backend: HTTPBackend, mishap: faults.Mishap
    ) -> None:
        stub.mishaps.append(mishap)
        with pytest.raises(ServerLostError, match=f"the connection to {stub.url} failed"):
            await backend.complete(make_request(), Route())

    async def test_a_server_too_slow_is_transient(self, stub: ScriptedVLLM) -> None:
        backend = backend_for(stub.url, timeout=0.2)
        stub.mishaps.append(faults.slow(2))
        with pytest.raises(ServerLostError, match=r"no answer within 0\.2 s"):
            await backend.complete(make_request(), Route())
        await backend.aclose()

    async def test_a_wrong_path_is_not_taken_for_an_unknown_adapter(self, stub: ScriptedVLLM) -> None:
        backend = backend_for(stub.url.removesuffix("/v1"))
        [detection] = await backend.detect()
        assert not detection.available
        assert "does the URL end in /v1?" in detection.detail


class TestUnknownAdapter:
    async def test_the_error_lists_what_is_served_and_nothing_is_asked(
        self, stub: ScriptedVLLM, backend: HTTPBackend
    ) -> None:
        with pytest.raises(UnknownAdapterError, match="served: base, cooperator, defector") as caught:
            await backend.complete(make_request("cooperater"), Route())
        assert "did you mean cooperator?" in str(caught.value)
        assert stub.bodies == []

    async def test_an_adapter_unloaded_during_a_run_is_unknown(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        await backend.complete(make_request("defector"), Route())
        stub.adapters.remove("defector")
        with pytest.raises(UnknownAdapterError) as caught:
            await backend.complete(make_request("defector"), Route())
        assert caught.value.served == ("base", "cooperator")

    async def test_an_adapter_loaded_after_detection_is_found(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        await backend.detect()
        stub.adapters.append("newcomer")
        assert (await backend.complete(make_request("newcomer"), Route())).text == "hello from newcomer"


class TestDetection:
    async def test_detect_separates_adapters_and_bases(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        [detection] = await backend.detect()
        assert detection.tier is Tier.HTTP
        assert detection.available
        assert detection.adapters == ("cooperator", "defector")
        assert detection.base_models == ("base",)
        assert detection.endpoint == stub.url

    async def test_detect_without_a_server_says_how_to_start_one(self) -> None:
        backend = backend_for(UNUSED)
        [detection] = await backend.detect()
        assert not detection.available
        assert f"nothing answers at {UNUSED}" in detection.detail
        assert "(connection refused)" in detection.detail
        assert "vllm serve BASE --port 9 --enable-lora" in detection.detail
        assert backend.refuses(make_request()) == detection.detail

    async def test_detect_reports_an_invalid_url(self) -> None:
        [detection] = await backend_for("not a url").detect()
        assert not detection.available

    async def test_detect_reports_a_server_of_another_kind(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        stub.models_status = 500
        [detection] = await backend.detect()
        assert "answered 500" in detection.detail

    async def test_detections_at_the_same_time_share_one_ask(self, stub: ScriptedVLLM, backend: HTTPBackend) -> None:
        await asyncio.gather(*(backend.detect() for _ in range(5)))
        assert stub.asked_models == 1


class TestSeveralEndpoints:
    async def test_a_call_goes_to_a_server_that_has_its_adapter(self) -> None:
        async with ScriptedVLLM(("a",)) as left, ScriptedVLLM(("b",)) as right:
            backend = backend_for(left.url, right.url)
            await backend.detect()
            assert (await backend.complete(make_request("b"), Route())).endpoint == right.url
            assert (await backend.complete(make_request("a"), Route())).endpoint == left.url
            await backend.aclose()

    async def test_concurrent_calls_spread_over_the_least_busy_servers(self) -> None:
        async with ScriptedVLLM() as left, ScriptedVLLM() as right:
            backend = backend_for(left.url, right.url, balancing=Balancing.LEAST_PENDING)
            left.delay = right.delay = 0.05
            await asyncio.gather(*(backend.complete(make_request(), Route()) for _ in range(8)))
            assert (len(left.bodies), len(right.bodies)) == (4, 4)
            await backend.aclose()

    @pytest.mark.parametrize("mishap", [faults.drop, faults.status(503)])
    async def test_a_server_that_failed_the_call_is_not_asked_again(self, mishap: faults.Mishap) -> None:
        async with ScriptedVLLM() as left, ScriptedVLLM() as right:
            backend = backend_for(left.url, right.url)
            for server in (left, right):
                server.mishaps.append(mishap)
            with pytest.raises(TransientError) as caught:
                await backend.complete(make_request(), Route())
            failed = caught.value.endpoint
            for server in (left, right):
                server.mishaps.clear()
            reply = await backend.complete(make_request(), Route(avoid=frozenset({failed})))
            assert {failed, reply.endpoint} == {left.url, right.url}
            await backend.aclose()

    async def test_an_adapter_unloaded_at_one_is_tried_at_the_other(self) -> None:
        async with ScriptedVLLM() as left, ScriptedVLLM() as right:
            backend = backend_for(left.url, right.url, balancing=Balancing.ADAPTER_AFFINITY)  # the same server again
            first = (await backend.complete(make_request(), Route())).endpoint
            next(server for server in (left, right) if server.url == first).adapters.remove("cooperator")
            with pytest.raises(TransientError, match="no longer serves 'cooperator'"):
                await backend.complete(make_request(), Route())
            assert (await backend.complete(make_request(), Route())).endpoint != first
            await backend.aclose()


def test_one_backend_serves_several_event_loops(stub_in_thread: str) -> None:
    """As in a notebook that calls asyncio.run twice."""
    backend = backend_for(stub_in_thread)

    async def once() -> str:
        try:
            return (await backend.complete(make_request(), Route())).text
        finally:
            await backend.aclose()

    assert [asyncio.run(once()) for _ in range(2)] == ["hello from cooperator"] * 2
