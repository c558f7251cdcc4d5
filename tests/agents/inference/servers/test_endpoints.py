"""The registry of endpoints: what an ask or a check finds, and the key that a server wants."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from agents.inference.backend import EndpointSettings, InferenceSettings
from agents.inference.errors import TransientError
from agents.inference.servers.breaker import THRESHOLD
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.slots import Slots
from tests.agents.inference.servers.conftest import LEFT, fail
from tests.support.adapters import write_adapter
from tests.support.faults import Fault
from tests.support.scripted_vllm import Route as Page
from tests.support.scripted_vllm import ScriptedVLLM


def registry_of(*given: str | EndpointSettings) -> EndpointRegistry:
    return EndpointRegistry(given, InferenceSettings())


@pytest.fixture
async def found(stub: ScriptedVLLM) -> EndpointRegistry:
    registry = registry_of(stub.url)
    await registry.refresh()
    return registry


class TestAsking:
    async def test_refresh_leaves_an_open_breaker_open(self, found: EndpointRegistry) -> None:
        slots = Slots(found)
        for _ in range(THRESHOLD):
            await fail(slots, TransientError("500"))
        await found.refresh()
        assert not found.endpoints[0].free(time.monotonic())

    async def test_a_server_that_comes_back_starts_afresh(self, stub: ScriptedVLLM, found: EndpointRegistry) -> None:
        slots = Slots(found)
        for _ in range(THRESHOLD):
            await fail(slots, TransientError("500"))
        async with stub.faulty(Fault.REFUSED):
            await found.refresh()
            assert not found.up
        await found.refresh()
        assert found.endpoints[0].free(time.monotonic())
        assert found.returns == 1

    @pytest.mark.parametrize(("busy", "up"), [(True, True), (False, False)])
    async def test_a_server_too_busy_to_answer_stays_up(
        self, stub: ScriptedVLLM, found: EndpointRegistry, monkeypatch: pytest.MonkeyPatch, busy: bool, up: bool
    ) -> None:
        monkeypatch.setattr("agents.inference.servers.discovery.ASK_TIMEOUT", 0.1)
        found.endpoints[0].pending = int(busy)
        async with stub.faulty(Fault.SLOW_HEADERS, Page.MODELS):
            await found.refresh()
        assert found.up is up

    @pytest.mark.parametrize("fault", [Fault.NEVER_ENDING_BODY, Fault.INVALID_JSON, Fault.GARBAGE_UTF8])
    async def test_a_malformed_model_list_marks_the_server_down(
        self, stub: ScriptedVLLM, monkeypatch: pytest.MonkeyPatch, fault: Fault
    ) -> None:
        monkeypatch.setattr("agents.inference.servers.discovery.ASK_TIMEOUT", 0.5)
        registry = registry_of(stub.url)
        async with stub.faulty(fault, Page.MODELS):
            await registry.refresh()
        assert not registry.up
        assert stub.url in registry.detail


class TestRestoring:
    """A server that was started again has lost what was loaded while it ran."""

    async def restart(self, stub: ScriptedVLLM, registry: EndpointRegistry, left: list[str]) -> None:
        async with stub.faulty(Fault.REFUSED):
            await registry.refresh()
            stub.adapters = left
        await registry.refresh()

    async def test_adapters_are_loaded_again_from_their_folders(
        self, stub: ScriptedVLLM, found: EndpointRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        stub.roots = {"cooperator": str(write_adapter(tmp_path / "c")), "defector": str(tmp_path / "gone")}
        await found.refresh()
        await self.restart(stub, found, [])
        assert stub.adapters == ["cooperator"]
        assert found.endpoints[0].serves("cooperator")
        assert not found.endpoints[0].serves("defector")
        assert "without adapter 'defector' and did not load it again: it answered 404" in caplog.text

    async def test_what_is_there_is_left_alone(self, stub: ScriptedVLLM, found: EndpointRegistry) -> None:
        await self.restart(stub, found, ["cooperator", "defector"])
        assert stub.loads == []

    async def test_an_adapter_that_was_unloaded_while_the_server_ran_stays_so(
        self, stub: ScriptedVLLM, found: EndpointRegistry
    ) -> None:
        stub.adapters = ["cooperator"]
        await found.refresh()
        assert stub.loads == []
        assert not found.endpoints[0].serves("defector")

    async def test_a_server_without_the_load_call_is_used_as_it_is(self) -> None:
        async with ScriptedVLLM(runtime_lora=False) as stub:
            registry = registry_of(stub.url)
            await registry.refresh()
            await self.restart(stub, registry, ["cooperator"])
            assert registry.up
            assert registry.endpoints[0].serves("cooperator")


class TestApiKey:
    def settings(self, url: str = LEFT) -> EndpointSettings:
        return EndpointSettings(url, api_key_env="SOCIETY_TEST_KEY")

    def test_the_key_is_read_when_it_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        [endpoint] = registry_of(self.settings()).endpoints
        monkeypatch.setenv("SOCIETY_TEST_KEY", "first")
        assert endpoint.headers() == {"Authorization": "Bearer first"}
        monkeypatch.setenv("SOCIETY_TEST_KEY", "second")
        assert endpoint.headers() == {"Authorization": "Bearer second"}

    def test_without_a_key_no_header_is_sent(self) -> None:
        assert registry_of(LEFT).endpoints[0].headers() == {}

    @pytest.mark.parametrize("value", [None, ""])
    async def test_a_missing_key_variable_is_named(
        self, stub: ScriptedVLLM, monkeypatch: pytest.MonkeyPatch, value: str | None
    ) -> None:
        monkeypatch.delenv("SOCIETY_TEST_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("SOCIETY_TEST_KEY", value)
        registry = registry_of(replace(self.settings(), url=stub.url))
        await registry.refresh()
        assert registry.detail.startswith(
            f"{stub.url} wants the API key in the environment variable SOCIETY_TEST_KEY, which is not set, and "
        )
        assert not registry.any_answers()
        assert stub.asked_models == 0

    def test_the_key_is_removed_from_what_the_server_repeats(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOCIETY_TEST_KEY", "s3cret")
        [endpoint] = registry_of(self.settings()).endpoints
        assert endpoint.without_key(b'{"error": "no such key: s3cret"}') == b'{"error": "no such key: (API key)"}'

    def test_no_repr_shows_the_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SOCIETY_TEST_KEY", "s3cret")
        [endpoint] = registry_of(self.settings()).endpoints
        endpoint.headers()
        assert "s3cret" not in repr(endpoint)
