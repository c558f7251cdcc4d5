"""The tier camel through CAMEL's real vLLM model, and CAMEL agents that have our client as their model."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agents.inference.backend import InferenceSettings, Route
from agents.inference.client import VLLMClient
from agents.inference.errors import BadReplyError, PermanentError, ServerLostError, TransientError, UnknownAdapterError
from agents.inference.provenance import Sampling
from agents.inference.servers.camel import TOKEN_COUNTER, CamelBackend
from agents.inference.servers.endpoints import EndpointRegistry
from agents.inference.servers.slots import Slots
from tests.agents.inference.conftest import make_request
from tests.support import faults
from tests.support.scripted_vllm import ScriptedVLLM


def backend_for(*urls: str, **changes: Any) -> CamelBackend:
    settings = InferenceSettings(**({"timeout": 5.0} | changes))
    return CamelBackend(Slots(EndpointRegistry(urls, settings)))


@pytest.fixture
async def backend(stub: ScriptedVLLM) -> AsyncIterator[CamelBackend]:
    backend = backend_for(stub.url)
    yield backend
    await backend.aclose()


class TestWhatIsSent:
    async def test_camel_sends_the_adapter_as_model_and_the_sampling(
        self, stub: ScriptedVLLM, backend: CamelBackend
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
                "max_completion_tokens": 17,
                "seed": 5,
            }
        ]
        assert completion.text == "hello from cooperator"
        assert (completion.prompt_tokens, completion.completion_tokens) == (11, 4)

    async def test_choices_become_structured_outputs(self, stub: ScriptedVLLM, backend: CamelBackend) -> None:
        completion = await backend.complete(make_request(choices=("合作", "背叛")), Route())
        assert stub.bodies[0]["structured_outputs"] == {"choice": ["合作", "背叛"]}
        assert completion.text == "合作"

    async def test_concurrent_agents_get_their_own_adapters(self, stub: ScriptedVLLM, backend: CamelBackend) -> None:
        stub.delay = 0.02
        names = ["cooperator", "defector"] * 4
        replies = await asyncio.gather(*(backend.complete(make_request(name), Route()) for name in names))
        assert [reply.text for reply in replies] == [f"hello from {name}" for name in names]


class TestWhatFailsHow:
    @pytest.mark.parametrize("code", [408, 409, 429, 500, 503])
    async def test_camel_retries_nothing_itself(self, stub: ScriptedVLLM, backend: CamelBackend, code: int) -> None:
        stub.mishaps.append(faults.status(code, "engine is busy"))
        expected = PermanentError if code == 409 else TransientError
        with pytest.raises(expected, match=f"answered {code}: engine is busy"):
            await backend.complete(make_request(), Route())
        assert len(stub.bodies) == 1

    async def test_retry_after_is_read(self, stub: ScriptedVLLM, backend: CamelBackend) -> None:
        stub.mishaps.append(faults.status(429, headers={"Retry-After": "2"}))
        with pytest.raises(TransientError) as caught:
            await backend.complete(make_request(), Route())
        assert caught.value.retry_after == 2

    async def test_client_errors_are_permanent(self, stub: ScriptedVLLM, backend: CamelBackend) -> None:
        stub.mishaps.append(faults.status(400, "the prompt has 4097 tokens"))
        with pytest.raises(PermanentError, match="the prompt has 4097 tokens"):
            await backend.complete(make_request(), Route())

    @pytest.mark.parametrize(
        "mishap",
        [
            faults.raw("{broken"),
            faults.raw("hello", "text/plain"),
            faults.raw("[]"),
            faults.raw("{}"),
            faults.raw('{"choices": []}'),
            faults.raw('{"choices": [{"message": {"content": null}}]}'),
        ],
    )
    async def test_camel_refuses_an_answer_that_is_no_completion(
        self, stub: ScriptedVLLM, backend: CamelBackend, mishap: faults.Mishap
    ) -> None:
        stub.mishaps.append(mishap)
        with pytest.raises(BadReplyError, match=stub.url):
            await backend.complete(make_request(), Route())

    @pytest.mark.parametrize("mishap", [faults.drop, faults.drop_halfway])
    async def test_a_broken_connection_is_transient(
        self, stub: ScriptedVLLM, backend: CamelBackend, mishap: faults.Mishap
    ) -> None:
        stub.mishaps.append(mishap)
        with pytest.raises(ServerLostError):
            await backend.complete(make_request(), Route())

    async def test_a_server_too_slow_is_transient(self, stub: ScriptedVLLM) -> None:
        backend = backend_for(stub.url, timeout=0.2)
        stub.mishaps.append(faults.slow(2))
        with pytest.raises(ServerLostError, match=r"no answer within 0\.2 s"):
            await backend.complete(make_request(), Route())
        await backend.aclose()

    async def test_an_unknown_adapter_lists_those_served(self, stub: ScriptedVLLM, backend: CamelBackend) -> None:
        with pytest.raises(UnknownAdapterError, match="served: base, cooperator, defector"):
            await backend.complete(make_request("stranger"), Route())
        stub.adapters.remove("defector")
        with pytest.raises(UnknownAdapterError, match="served: base, cooperator "):
            await backend.complete(make_request("defector"), Route())


@pytest.mark.parametrize("text", ["", "a", "Tit for tat.", "合作者与背叛者", "日本語 and ascii", "\x00\x00"])
def test_the_offline_token_counter_decodes_what_it_encodes(text: str) -> None:
    assert TOKEN_COUNTER.decode(TOKEN_COUNTER.encode(text)) == text


def test_tokens_of_parts_of_a_message_are_counted() -> None:
    parts = [{"type": "text", "text": "abcdef"}, {"type": "image_url", "image_url": {}}]
    assert TOKEN_COUNTER.count_tokens_from_messages([{"role": "user", "content": parts}]) == 4 + 2


class TestCamelModel:
    def test_camel_model_is_camels_vllm_model_and_contacts_nothing(self) -> None:
        model = VLLMClient("http://127.0.0.1:9/v1", "qwen-2").camel_model
        assert type(model).__name__ == "VLLMModel"
        assert model.model_type == "qwen-2"
        assert model.count_tokens_from_messages([{"role": "user", "content": "hello"}]) > 0

    async def test_camel_model_answers(self, stub: ScriptedVLLM) -> None:
        async with VLLMClient(stub.url, "cooperator") as client:
            result = await client.camel_model.arun([{"role": "user", "content": "hello"}])
        assert result.choices[0].message.content == "hello from cooperator"


def test_importing_camel_is_silent_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import logging, agents.inference.servers.camel; "
        "assert not logging.root.handlers; assert logging.root.level == logging.WARNING; "
        "import os; assert 'CAMEL_LOGGING_DISABLED' not in os.environ"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
