"""`VLLMClient`: tiers in order, retries, fallbacks logged once, records, floors, recorded replies."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.embedded.model_sources import MODEL_ID
from agents.inference.errors import UnknownAdapterError
from agents.inference.provenance import (
    CallKey,
    CallRecord,
    CallStatus,
    Provenance,
    Purpose,
    Reply,
    Tier,
)
from agents.inference.recording import Recorded, Recording
from agents.inference.records import prompt_hash
from agents.inference.servers.balancing import Balancing
from tests.agents.inference.conftest import make_request
from tests.support import faults
from tests.support.scripted_vllm import ScriptedVLLM

CAMEL, HTTP, EMBEDDED, SIMULATED = Tier.CAMEL, Tier.HTTP, Tier.EMBEDDED, Tier.SIMULATED
NO_EMBEDDED = (CAMEL, HTTP, SIMULATED)
ROOT = Path(__file__).parents[3]
UNUSED = "http://127.0.0.1:9/v1"


class Society:
    """A client, and the records of its calls."""

    def __init__(self, *urls: str, recording: Recording | None = None, **settings: Any) -> None:
        self.records: list[CallRecord] = []
        settings = {"tiers": NO_EMBEDDED, "timeout": 5.0, "cooldown": 0.2, "health_interval": 0.2} | settings
        self.client = VLLMClient(
            endpoints=urls,
            settings=InferenceSettings(**settings),
            on_call=self.records.append,
            recording=recording,
        )

    async def __aenter__(self) -> Society:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.client.aclose()

    async def ask(self, adapter: str = "cooperator", **changes: Any) -> Reply:
        return await self.client.generate(make_request(adapter, **changes))

    @property
    def attempts(self) -> list[tuple[Tier, int, CallStatus]]:
        return [(record.tier, record.attempt, record.status) for record in self.records]


FRESH_PROCESS = """
import asyncio, sys
sys.modules["{hidden}"] = None  # as if it were not installed
from agents.inference.client import VLLMClient
from agents.inference.backend import InferenceSettings
from agents.inference.servers.balancing import Balancing
from agents.inference.provenance import Tier

async def main(url):
    settings = InferenceSettings(tiers=(Tier.CAMEL, Tier.HTTP, Tier.SIMULATED))
    async with VLLMClient(url, "cooperator", settings=settings) as client:
        for detection in await client.detect():
            print(detection.tier.value, detection.available)
        print((await client.ask("Speak.")).provenance.tier.value)
        print("camel loaded" if sys.modules.get("camel") else "camel not loaded")
        if "{hidden}" == "camel":
            print(client.camel_model)

asyncio.run(main(sys.argv[1]))
"""


def run_script(script: str, url: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script, url], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def recorded(key: CallKey, asked: str, reply: Reply) -> Recording:
    """A recording of one call, at `key`, whose prompt had the hash `asked`."""
    return Recording({key: Recorded(reply, asked)})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "society.inference" and r.levelname == "WARNING"]


OK, FAILED = CallStatus.OK, CallStatus.FAILED


class TestTierOrder:
    async def test_camel_answers_if_a_server_is_up(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url) as society:
            reply = await society.ask()
        assert reply.text == "hello from cooperator"
        assert reply.provenance.tier is CAMEL
        assert reply.provenance.endpoint == stub.url
        assert reply.provenance.fallback_from == ()
        assert society.attempts == [(CAMEL, 1, OK)]

    async def test_tiers_are_tried_in_the_order_of_the_settings(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url, tiers=(HTTP, SIMULATED)) as society:
            assert (await society.ask()).provenance.tier is HTTP

    async def test_servers_are_asked_once_for_many_concurrent_calls(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url) as society:
            await asyncio.gather(*(society.ask() for _ in range(20)))
        assert stub.asked_models == 1

    async def test_a_tier_that_needs_no_server_asks_none(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url, tiers=(SIMULATED,)) as society:
            reply = await society.ask()
        assert reply.provenance.fallback_from == ()
        assert stub.asked_models == 0


class TestRetries:
    async def test_transient_errors_are_retried_in_the_same_tier(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.extend([faults.status(500), faults.drop])
        async with Society(stub.url, retries=2) as society:
            reply = await society.ask()
        assert (reply.provenance.tier, reply.provenance.attempt) == (CAMEL, 3)
        assert society.attempts == [(CAMEL, 1, FAILED), (CAMEL, 2, FAILED), (CAMEL, 3, OK)]

    async def test_a_call_falls_back_after_its_retries(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.extend([faults.status(503)] * 2)
        async with Society(stub.url, retries=1) as society:
            reply = await society.ask()
        assert (reply.provenance.tier, reply.provenance.attempt) == (HTTP, 1)
        assert reply.provenance.fallback_from == (CAMEL,)
        assert society.attempts == [(CAMEL, 1, FAILED), (CAMEL, 2, FAILED), (HTTP, 1, OK)]

    async def test_a_call_falls_back_through_every_tier(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.extend([faults.status(503)] * 4)
        async with Society(stub.url, retries=1) as society:
            reply = await society.ask()
        assert reply.provenance.fallback_from == (CAMEL, HTTP)
        assert not reply.provenance.tier.real
        assert len(stub.bodies) == 4

    async def test_a_permanent_error_falls_back_at_once(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.append(faults.status(400, "too long"))
        async with Society(stub.url, retries=5) as society:
            assert (await society.ask()).provenance.tier is HTTP
        assert society.attempts == [(CAMEL, 1, FAILED), (HTTP, 1, OK)]

    async def test_a_fallback_of_one_call_leaves_the_tier_to_the_next(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.append(faults.status(400))
        async with Society(stub.url) as society:
            assert [(await society.ask()).provenance.tier for _ in range(3)] == [HTTP, CAMEL, CAMEL]

    async def test_retry_after_is_waited_for(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.append(faults.status(429, headers={"Retry-After": "0.6"}))
        async with Society(stub.url) as society:
            await society.client.detect()
            started = asyncio.get_running_loop().time()
            assert (await society.ask()).provenance.attempt == 2
            assert asyncio.get_running_loop().time() - started >= 0.6

    async def test_a_wait_longer_than_the_timeout_is_not_waited_for(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.append(faults.status(429, headers={"Retry-After": "3600"}))
        async with Society(stub.url) as society:
            assert (await society.ask()).provenance.tier is SIMULATED
        assert len(stub.bodies) == 1  # whoever asks: the server asks for it, for every call

    async def test_a_retry_moves_to_another_endpoint(self, stub: ScriptedVLLM) -> None:
        async with ScriptedVLLM() as other, Society(stub.url, other.url, balancing=Balancing.ROUND_ROBIN) as society:
            stub.mishaps.extend([faults.status(503)] * 9)
            replies = [await society.ask() for _ in range(4)]
        assert {reply.provenance.endpoint for reply in replies} == {other.url}
        assert {reply.provenance.tier for reply in replies} == {CAMEL}
        assert {record.endpoint for record in society.records if record.status is FAILED} == {stub.url}


class TestRecords:
    async def test_a_record_has_the_request_and_the_error(self, stub: ScriptedVLLM) -> None:
        stub.mishaps.append(faults.status(500, "out of blocks"))
        async with Society(stub.url) as society:
            await society.ask()
        failed, ok = society.records
        assert failed.error == f"TransientError: {stub.url} answered 500: out of blocks"
        assert failed.endpoint == ok.endpoint == stub.url
        assert ok.error == ""
        assert (ok.prompt_tokens, ok.completion_tokens, ok.finish_reason) == (11, 4, "stop")
        assert failed.key == ok.key == make_request().key
        assert failed.prompt_hash == ok.prompt_hash
        assert len(ok.prompt_hash) == 64

    async def test_prompt_hash_depends_on_the_request_and_not_the_moment(self, stub: ScriptedVLLM) -> None:
        later = replace(make_request().key, step=9)
        async with Society(stub.url, tiers=(SIMULATED,)) as society:
            for changes in ({}, {"key": later}, {"seed": 1}, {"choices": ("a",)}, {"adapter": "defector"}):
                await society.client.generate(replace(make_request(), **changes))
        first, same, *others = (record.prompt_hash for record in society.records)
        assert first == same
        assert len({first, *others}) == 4

    async def test_queue_time_and_latency_are_separate(self, stub: ScriptedVLLM) -> None:
        stub.delay = 0.1
        async with Society(stub.url, tiers=(HTTP,), concurrency=2) as society:
            await society.client.detect()
            await asyncio.gather(*(society.ask() for _ in range(4)))
        assert stub.most_in_flight == 2
        queued = sorted(record.queue_time for record in society.records)
        assert queued[2] >= 0.09  # two waited for a slot, and that is not counted as latency
        assert sum(queued) + sum(record.latency for record in society.records) >= 0.58

    async def test_a_record_has_its_reply(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url, tiers=(HTTP,)) as society:
            reply = await society.ask()
        assert [record.reply for record in society.records] == [reply]

    async def test_calls_outside_of_episodes_ignore_the_recording(self, stub: ScriptedVLLM) -> None:
        reply = Reply("as it was", Provenance(HTTP, "cooperator"))
        recording = recorded(CallKey(-1, 0, "ask", Purpose.TALK), "", reply)
        async with VLLMClient(stub.url, "cooperator", recording=recording) as client:
            assert (await client.ask("Your plan?")).text == "hello from cooperator"

    async def test_recorded_replies_cost_no_call_and_leave_no_record(self, stub: ScriptedVLLM) -> None:
        reply = Reply("as it was", Provenance(HTTP, "cooperator"))
        request = make_request()
        async with Society(stub.url, recording=recorded(request.key, prompt_hash(request), reply)) as society:
            assert await society.ask() is reply
            fresh = await society.ask(key=CallKey(0, 2, "m1", Purpose.TALK))
        assert fresh.text == "hello from cooperator"
        assert (len(society.records), len(stub.bodies)) == (1, 1)


class TestUnknownAdapter:
    async def test_an_unknown_adapter_stops_and_no_tier_answers(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url) as society:
            with pytest.raises(UnknownAdapterError, match="served: base, cooperator, defector"):
                await society.ask("unknown", base_model="another/base")
        assert stub.bodies == []
        assert society.attempts == [(CAMEL, 1, FAILED)]


class TestDetection:
    async def test_detect_covers_every_tier_and_asks_servers_once(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url, UNUSED) as society:
            found = await society.client.detect()
        assert [(d.tier, d.available) for d in found] == [
            (CAMEL, True),
            (CAMEL, False),
            (HTTP, True),
            (HTTP, False),
            (SIMULATED, True),
        ]
        assert stub.asked_models == 1

    def test_without_a_server_camel_is_not_even_imported(self) -> None:
        lines = run_script(FRESH_PROCESS.format(hidden="nothing"), UNUSED)
        assert lines == ["camel False", "http False", "simulated True", "simulated", "camel not loaded"]

    def test_without_camel_the_same_server_is_asked_by_http(self, stub_in_thread: str) -> None:
        lines = run_script(FRESH_PROCESS.format(hidden="camel"), stub_in_thread)
        assert lines == ["camel False", "http True", "simulated True", "http", "camel not loaded", "None"]

    def test_connection_available_asks_once_by_itself(self, stub_in_thread: str) -> None:
        assert VLLMClient(stub_in_thread).connection_available
        assert not VLLMClient(UNUSED).connection_available

    async def test_connection_available_is_the_result_of_detection(self, stub: ScriptedVLLM) -> None:
        async with Society(stub.url) as society:
            await society.client.detect()
            assert society.client.connection_available
            await stub.stop()
            await society.client.detect()
            assert not society.client.connection_available


class TestAsk:
    async def test_ask_answers_a_question_from_a_notebook(self, stub: ScriptedVLLM) -> None:
        async with VLLMClient(stub.url, "defector") as client:
            reply = await client.ask("Your plan?", system="You play.", temperature=0.1, max_tokens=5)
            choice = await client.ask("Now?", choices=["stay", "leave"], adapter="cooperator", seed=1)
        assert (reply.text, choice.text) == ("hello from defector", "stay")
        assert stub.bodies[0]["messages"][0] == {"role": "system", "content": "You play."}
        assert stub.bodies[0]["temperature"] == 0.1

    async def test_the_first_words_are_logged(self, stub: ScriptedVLLM, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "society.inference")
        async with VLLMClient(stub.url, "defector") as client:
            await client.ask("Your plan?")
        assert "camel defector: hello from defector" in caplog.messages


@pytest.mark.embedded
async def test_a_fresh_machine_answers_from_the_embedded_model(caplog: pytest.LogCaptureFixture) -> None:
    async with VLLMClient(UNUSED, MODEL_ID) as client:
        first = await client.ask("What is the capital of France?", max_tokens=12, temperature=0)
        await client.aclose()
        again = await client.ask("What is the capital of France?", max_tokens=12, temperature=0)
    assert "Paris" in first.text
    assert again.text == first.text
    assert first.provenance.tier is EMBEDDED
    assert first.provenance.fallback_from == (CAMEL, HTTP)
    [line] = warnings(caplog)
    assert "falls back from camel, http to embedded" in line


async def test_the_embedded_model_does_not_answer_for_another_base(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with VLLMClient(UNUSED, "cooperator", base_model="Qwen/Qwen2-7B-Instruct") as client:
        replies = [await client.ask("Your plan?") for _ in range(3)]
    assert {reply.provenance.fallback_from for reply in replies} == {(CAMEL, HTTP, EMBEDDED)}
    [line] = warnings(caplog)
    assert "belongs to base model Qwen/Qwen2-7B-Instruct" in line
