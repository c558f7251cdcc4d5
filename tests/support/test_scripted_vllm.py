"""The scripted server answers like vLLM, and every fault is what its name says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.adapters import write_adapter
from tests.support.faults import HUGE, OTHER_MODEL, Fault, mishap_of
from tests.support.scripted_process import scripted_process
from tests.support.scripted_vllm import Route, ScriptedVLLM

LONG = "once upon a time there was a society of models " * 10


@pytest.fixture
async def server() -> AsyncIterator[ScriptedVLLM]:
    async with ScriptedVLLM() as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


def body(model: str = "cooperator", text: str = "Speak.", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


async def chat(session: aiohttp.ClientSession, url: str, **more: Any) -> tuple[int, Any]:
    async with session.post(f"{url}/chat/completions", json=body(**more)) as response:
        return response.status, await response.json()


async def outcome(session: aiohttp.ClientSession, url: str, patience: float = 30) -> str:
    """Return in a word what a careful client gets within so many seconds."""
    timeout = aiohttp.ClientTimeout(total=patience)
    try:
        async with session.post(f"{url}/chat/completions", json=body(), timeout=timeout) as response:
            raw = await response.read()
    except aiohttp.ClientConnectorError:
        return "refused"
    except aiohttp.ServerDisconnectedError:
        return "no answer"
    except aiohttp.ClientPayloadError:
        return "half a body"
    except asyncio.TimeoutError:
        return "no end"
    return heard(raw) if response.status == 200 else refusal(response)


def refusal(response: aiohttp.ClientResponse) -> str:
    return f"{response.status} {response.headers.get('Retry-After', '')}".strip()


def heard(raw: bytes) -> str:
    try:
        reply = json.loads(raw.decode())
    except UnicodeDecodeError:
        return "not UTF-8"
    except json.JSONDecodeError:
        return "not JSON"
    texts = [choice["message"]["content"] for choice in reply["choices"]]
    return f"{reply['model']}: {', '.join(text if len(text) < 99 else str(len(text)) for text in texts)}"


MEANING = {
    Fault.REFUSED: "refused",
    Fault.DROPPED: "no answer",
    Fault.RESET_MID_BODY: "half a body",
    Fault.TOO_MANY_REQUESTS: "429 0.1",
    Fault.SERVER_ERROR: "500",
    Fault.SLOW_HEADERS: "no end",
    Fault.NEVER_ENDING_BODY: "no end",
    Fault.TRUNCATED_JSON: "not JSON",
    Fault.INVALID_JSON: "not JSON",
    Fault.WRONG_MODEL: f"{OTHER_MODEL}: hello from another",
    Fault.EMPTY_CONTENT: "cooperator: ",
    Fault.DUPLICATE_CHOICES: "cooperator: one answer, another answer",
    Fault.HUGE_BODY: f"cooperator: {HUGE}",
    Fault.GARBAGE_UTF8: "not UTF-8",
}
WELL = "cooperator: hello from cooperator"


class TestFaults:
    @pytest.mark.parametrize("fault", Fault)
    async def test_fault_is_what_its_name_says_and_ends_with_its_block(
        self, server: ScriptedVLLM, session: aiohttp.ClientSession, fault: Fault
    ) -> None:
        patience = 0.5 if MEANING[fault] == "no end" else 30
        async with server.faulty(fault):
            assert [await outcome(session, server.url, patience) for _ in range(2)] == [MEANING[fault]] * 2
        assert await outcome(session, server.url) == WELL

    async def test_scripted_faults_are_used_one_per_call(
        self, server: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        server.script(Fault.SERVER_ERROR, Fault.DROPPED)
        assert [await outcome(session, server.url) for _ in range(3)] == ["500", "no answer", WELL]

    async def test_fault_can_last_for_seconds(self, server: ScriptedVLLM, session: aiohttp.ClientSession) -> None:
        server.break_for(0.2, Fault.REFUSED)
        await asyncio.sleep(0.1)
        assert await outcome(session, server.url) == "refused"
        await asyncio.sleep(0.2)
        assert await outcome(session, server.url) == WELL

    async def test_fault_can_be_on_another_route(self, server: ScriptedVLLM, session: aiohttp.ClientSession) -> None:
        async with server.faulty(Fault.SERVER_ERROR, Route.MODELS), session.get(f"{server.url}/models") as response:
            assert response.status == 500
            assert await outcome(session, server.url) == WELL

    async def test_client_that_disconnects_frees_its_slot(
        self, server: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        async with server.faulty(Fault.SLOW_HEADERS):
            assert await outcome(session, server.url, 0.5) == "no end"
        for _ in range(500):
            if server.in_flight:
                await asyncio.sleep(0.01)
        assert server.in_flight == 0

    def test_refused_is_not_possible_for_one_call(self) -> None:
        with pytest.raises(ValueError, match="faulty"):
            mishap_of(Fault.REFUSED)


class TestVLLMBehaviour:
    async def test_api_key_is_needed_below_v1(self, session: aiohttp.ClientSession) -> None:
        async with ScriptedVLLM(api_key="secret") as server:
            assert (await chat(session, server.url))[0] == 401
            root = server.url.removesuffix("/v1")
            async with session.get(f"{root}/health") as health, session.get(f"{root}/version") as version:
                assert (health.status, await version.json()) == (200, {"version": "0.32.0"})
            headers = {"Authorization": "Bearer secret"}
            async with session.post(f"{server.url}/chat/completions", json=body(), headers=headers) as response:
                assert response.status == 200

    async def test_too_long_prompt_is_refused(self, session: aiohttp.ClientSession) -> None:
        async with ScriptedVLLM(max_model_len=16) as server:
            assert (await chat(session, server.url, max_tokens=11))[0] == 200  # the prompt is 5 tokens
            code, said = await chat(session, server.url, max_tokens=12)
            assert (code, said["error"]["type"]) == (400, "BadRequestError")
            assert "maximum context length is 16 tokens" in said["error"]["message"]

    async def test_reply_is_cut_at_its_limit(self, server: ScriptedVLLM, session: aiohttp.ClientSession) -> None:
        _, reply = await chat(session, server.url, max_tokens=2)
        [choice] = reply["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("hello from", "length")
        assert reply["usage"]["completion_tokens"] == 2

    async def test_tool_call_has_arguments_that_its_schema_allows(
        self, server: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        server.calls_tools = True
        properties = {"action": {"enum": ["stay", "go"]}, "times": {"type": "integer", "minimum": 1}}
        parameters = {"type": "object", "properties": properties}
        tool = {"type": "function", "function": {"name": "decide", "parameters": parameters}}
        _, reply = await chat(session, server.url, tools=[tool])
        [choice] = reply["choices"]
        [call] = choice["message"]["tool_calls"]
        assert choice["finish_reason"] == "tool_calls"
        assert call["function"]["name"] == "decide"
        assert json.loads(call["function"]["arguments"]) == {"action": "stay", "times": 1}
        _, reply = await chat(session, server.url)
        assert reply["choices"][0]["message"]["content"] == "hello from cooperator"

    async def test_adapters_load_and_unload(
        self, server: ScriptedVLLM, session: aiohttp.ClientSession, tmp_path: Path
    ) -> None:
        new = str(write_adapter(tmp_path / "new"))

        async def post(what: str, **body: str) -> int:
            async with session.post(f"{server.url}/{what}_lora_adapter", json=body) as response:
                return response.status

        assert await post("load", lora_name="new", lora_path="/nowhere") == 404
        assert await post("load", lora_name="new", lora_path=new) == 200
        assert (await chat(session, server.url, model="new"))[0] == 200
        assert await post("load", lora_name="new", lora_path=new) == 400
        assert await post("unload", lora_name="new") == 200
        assert await post("unload", lora_name="new") == 404
        assert (await chat(session, server.url, model="new"))[0] == 404
        assert await post("load", lora_name="big", lora_path=str(write_adapter(tmp_path / "big", rank=32))) == 500

    async def test_without_runtime_lora_there_is_no_load_route(self, session: aiohttp.ClientSession) -> None:
        async with ScriptedVLLM(runtime_lora=False) as server:
            body = {"lora_name": "new", "lora_path": "/a/new"}
            async with session.post(f"{server.url}/load_lora_adapter", json=body) as response:
                assert response.status == 404

    async def test_prefix_cache_is_counted_per_adapter(
        self, server: ScriptedVLLM, session: aiohttp.ClientSession
    ) -> None:
        cached = []
        for model in ("cooperator", "cooperator", "defector"):
            _, reply = await chat(session, server.url, model=model, text=LONG)
            cached.append(reply["usage"]["prompt_tokens_details"]["cached_tokens"])
        assert cached == [0, 96, 0]  # 103 tokens are six whole blocks of 16
        async with session.get(server.url.replace("/v1", "/metrics")) as response:
            metrics = await response.text()
        assert 'vllm:prefix_cache_queries_total{engine="0",model_name="base"} 309.0' in metrics
        assert 'vllm:prefix_cache_hits_total{engine="0",model_name="base"} 96.0' in metrics

    async def test_slots_limit_concurrent_calls(self, session: aiohttp.ClientSession) -> None:
        async with ScriptedVLLM(delay=0.05, slots=2) as server:
            started = asyncio.get_running_loop().time()
            await asyncio.gather(*(chat(session, server.url) for _ in range(6)))
            assert asyncio.get_running_loop().time() - started >= 0.15


class TestAsAProcess:
    async def test_process_serves_has_faults_and_can_be_killed(self, session: aiohttp.ClientSession) -> None:
        with scripted_process(["cooperator"]) as server:
            assert await outcome(session, server.url) == WELL
            root = server.url.removesuffix("/v1")
            async with session.post(f"{root}/script", json={"fault": "server_error", "calls": 1}):
                assert [await outcome(session, server.url) for _ in range(2)] == ["500", WELL]
            server.kill()
            assert await outcome(session, server.url) == "no answer"  # on the open connection
            assert await outcome(session, server.url) == "refused"

    def test_process_ends_with_its_block(self) -> None:
        with scripted_process() as server:
            assert server.process.poll() is None
        assert server.process.returncode == 0

    def test_bad_options_are_refused(self) -> None:
        with pytest.raises(RuntimeError, match="ended at once"), scripted_process([], "--nothing"):
            pass
