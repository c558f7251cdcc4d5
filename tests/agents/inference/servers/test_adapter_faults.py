"""Whose fault a failed call is: the pure rule, and one client whose server fails for one adapter only."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.errors import FloorReachedError, RefusedAdapterError, UnknownAdapterError
from agents.inference.fault import Fault
from agents.inference.provenance import CallRecord, CallStatus, Tier
from agents.inference.servers.adapter_faults import AdapterFaults
from agents.inference.servers.balancing import Balancing
from agents.inference.servers.breaker import THRESHOLD
from tests.agents.inference.conftest import make_request
from tests.support.scripted_vllm import ScriptedVLLM

GONE = [
    (404, "The model `defector` does not exist."),
    (400, "The following requested LoRA adapters are not loaded: ['defector']"),
    (400, "/chat/completions: Invalid model name passed in model=defector. Call `/v1/models` to view available models"),
]
BROKEN = [
    (500, "Loading lora defector failed: No adapter found for /loras/defector"),
    (500, "LoRA rank 64 is greater than max_lora_rank 16."),
    (400, "LoRA adapter 'defector' was requested, but LoRA is not enabled"),
]


class TestCounting:
    def faults(self) -> AdapterFaults:
        return AdapterFaults(30.0, random.Random(1))

    def test_a_single_adapter_may_be_the_server(self) -> None:
        assert self.faults().failed("a", 0.0)

    def test_one_of_two_adapters_is_not_the_server(self) -> None:
        faults = self.faults()
        faults.succeeded("b")
        assert not any(faults.failed("a", 0.0) for _ in range(10))

    def test_most_adapters_are_the_server(self) -> None:
        faults = self.faults()
        for name in "abc":
            faults.succeeded(name)
        assert [faults.failed(name, 0.0) for name in "abc"] == [False, True, True]

    def test_a_failing_adapter_rests_for_longer_each_time(self) -> None:
        faults, now, pauses = self.faults(), 0.0, []
        for _ in range(4):
            while faults.until("a") <= now:
                faults.failed("a", now)
            pauses.append(faults.until("a") - now)
            now = faults.until("a")
        assert faults.pauses("a") == 4
        assert all(0.5 <= pause / (0.5 * 2**number) <= 1.0 for number, pause in enumerate(pauses))

    def test_failures_below_the_threshold_rest_nothing(self) -> None:
        faults = self.faults()
        for _ in range(THRESHOLD - 1):
            faults.failed("a", 1.0)
        assert faults.until("a") == 0.0

    def test_a_success_ends_the_rest(self) -> None:
        faults = self.faults()
        for _ in range(THRESHOLD):
            faults.failed("a", 1.0)
        assert faults.until("a") > 1.0
        faults.succeeded("a")
        assert (faults.until("a"), faults.pauses("a")) == (0.0, 0)


class OneTier:
    """A client of one server through the http tier alone, with the records of its calls."""

    def __init__(self, server: ScriptedVLLM, **changes: float) -> None:
        self.records: list[CallRecord] = []
        settings = InferenceSettings(tiers=(Tier.HTTP,), require=Tier.HTTP, cooldown=0.2, **changes)  # type: ignore[arg-type]
        self.client = VLLMClient(endpoints=[server.url], settings=settings, on_call=self.records.append)

    async def ask(self, adapter: str) -> str:
        return (await self.client.generate(make_request(adapter))).text

    def is_free(self, adapter: str) -> bool:
        """Return whether a call to an adapter need not wait."""
        (server,) = self.client._registry.endpoints
        return server.free(time.monotonic(), adapter)

    def faults(self, adapter: str) -> set[str]:
        return {record.fault for record in self.records if record.adapter == adapter}


class TestOneAdapterFails:
    @pytest.mark.parametrize(("status", "message"), GONE)
    async def test_an_unknown_adapter_is_known_by_more_than_404(
        self, stub: ScriptedVLLM, status: int, message: str
    ) -> None:
        stub.refusals["defector"] = (status, message)
        one = OneTier(stub)
        async with one.client:
            with pytest.raises(UnknownAdapterError, match="'defector' is not served"):
                await one.ask("defector")
            assert one.faults("defector") == {"adapter"}
            assert len(one.records) == 1
            assert "cooperator" in await one.ask("cooperator")

    @pytest.mark.parametrize(("status", "message"), BROKEN)
    async def test_an_adapter_that_cannot_be_used_is_not_retried(
        self, stub: ScriptedVLLM, status: int, message: str
    ) -> None:
        stub.refusals["defector"] = (status, message)
        one = OneTier(stub)
        async with one.client:
            with pytest.raises(RefusedAdapterError, match=r"cause: .*; fix: "):
                await one.ask("defector")
            assert len(one.records) == 1
            assert one.faults("defector") == {"adapter"}

    async def test_a_refused_adapter_moves_to_a_server_that_can_use_it(self, stub: ScriptedVLLM) -> None:
        stub.refusals["defector"] = (500, "LoRA rank 64 is greater than max_lora_rank 16.")
        async with ScriptedVLLM() as other:
            settings = InferenceSettings(tiers=(Tier.HTTP,), balancing=Balancing.ROUND_ROBIN)
            records: list[CallRecord] = []
            async with VLLMClient(endpoints=[stub.url, other.url], settings=settings, on_call=records.append) as client:
                for _ in range(4):
                    assert (await client.generate(make_request("defector"))).provenance.endpoint == other.url
        [failed] = [record for record in records if record.status is CallStatus.FAILED]
        assert (failed.endpoint, failed.fault) == (stub.url, "adapter")
        assert "--max-lora-rank 64" in failed.error

    @pytest.mark.parametrize("message", ["Internal Server Error", "defector: something is wrong"])
    async def test_healthy_adapters_go_on_beside_one_that_fails(self, stub: ScriptedVLLM, message: str) -> None:
        stub.refusals["defector"] = (500, message)
        one = OneTier(stub, deadline=20.0)
        async with one.client:
            await one.ask("cooperator")
            for _ in range(3):
                with pytest.raises(FloorReachedError):
                    await one.ask("defector")
            assert one.is_free("cooperator")
            await one.ask("cooperator")
        ok = [record for record in one.records if record.adapter == "cooperator"]
        assert [record.status for record in ok] == [CallStatus.OK, CallStatus.OK]
        assert one.records[-2].fault == Fault.ADAPTER.value

    async def test_an_adapter_that_is_repaired_is_asked_again(self, stub: ScriptedVLLM) -> None:
        stub.refusals["defector"] = (500, "Internal Server Error")
        one = OneTier(stub, deadline=20.0)
        async with one.client:
            await one.ask("cooperator")
            with pytest.raises(FloorReachedError):
                await one.ask("defector")
            stub.refusals.clear()
            assert "defector" in await one.ask("defector")

    async def test_a_refused_request_rests_nothing(self, stub: ScriptedVLLM) -> None:
        stub.refusals["defector"] = (500, "Jinja Exception: Conversation roles must alternate user/assistant")
        one = OneTier(stub)
        async with one.client:
            for _ in range(2 * THRESHOLD):
                with pytest.raises(FloorReachedError, match="chat template wants user and assistant in turn"):
                    await one.ask("defector")
            assert len(one.records) == 2 * THRESHOLD
            assert one.faults("defector") == {"request"}
            stub.refusals.clear()
            assert one.is_free("defector")
            await one.ask("defector")

    async def test_all_adapters_failing_rest_the_server(self, stub: ScriptedVLLM) -> None:
        stub.refusals = dict.fromkeys(("cooperator", "defector"), (500, "Internal Server Error"))
        one = OneTier(stub, deadline=20.0)
        async with one.client:
            for adapter in ("cooperator", "defector"):
                with pytest.raises(FloorReachedError):
                    await one.ask(adapter)
            assert one.client._registry.endpoints[0].breaker.openings > 0
            assert one.records[-1].fault == Fault.SERVER.value


class TestLoading:
    @pytest.fixture(autouse=True)
    def short_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("agents.inference.errors.LOADING_PAUSE", 0.05)

    async def test_a_call_waits_for_more_attempts_than_retries(self, stub: ScriptedVLLM) -> None:
        stub.refusals["defector"] = (503, "Loading model")
        one = OneTier(stub, retries=1, deadline=20.0)
        asyncio.get_running_loop().call_later(0.5, stub.refusals.clear)
        async with one.client:
            assert "defector" in await one.ask("defector")
        assert [record.fault for record in one.records] == [*["server"] * (len(one.records) - 1), ""]
        assert len(one.records) >= 6

    async def test_the_wait_ends_with_the_deadline(self, stub: ScriptedVLLM) -> None:
        stub.refusals["defector"] = (503, "Loading model")
        one = OneTier(stub, deadline=0.5)
        async with one.client:
            began = time.monotonic()
            with pytest.raises(FloorReachedError, match="the server is loading its model"):
                await one.ask("defector")
            assert 0.3 < time.monotonic() - began < 10

    @pytest.mark.parametrize(("deadline", "up"), [(20.0, True), (0.2, False)])
    async def test_detection_waits_for_a_server_that_is_loading(
        self, stub: ScriptedVLLM, deadline: float, up: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        stub.models_refusal = (503, "Model is loading, please wait")
        one = OneTier(stub, deadline=deadline)
        asyncio.get_running_loop().call_later(0.3, setattr, stub, "models_refusal", None)
        async with one.client:
            [found] = await one.client.detect()
        assert found.available is up
        assert "waiting for it" in caplog.text
        assert up or "is loading its model" in found.detail


@pytest.mark.parametrize(
    ("body", "kind", "fault"),
    [
        ({"error": {"message": "System role not supported", "code": 400}}, FloorReachedError, "request"),
        ({"error": {"message": "model 'defector' not found", "code": 404}}, RefusedAdapterError, "adapter"),
        ({"object": "error", "message": "engine is dead", "code": 500}, FloorReachedError, "server"),
        ({"hello": "world"}, FloorReachedError, "server"),
    ],
)
@pytest.mark.parametrize("tier", [Tier.HTTP, Tier.CAMEL])
async def test_a_refusal_sent_with_status_200_is_read(
    stub: ScriptedVLLM, tier: Tier, body: dict[str, object], kind: type[Exception], fault: str
) -> None:
    records: list[CallRecord] = []
    stub.answers["defector"] = body
    settings = InferenceSettings(tiers=(tier,), require=tier, retries=0)
    async with VLLMClient(endpoints=[stub.url], settings=settings, on_call=records.append) as client:
        with pytest.raises(kind):
            await client.generate(make_request("defector"))
    assert records[-1].fault == fault
