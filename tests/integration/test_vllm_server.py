"""A real vLLM on the CPU serves the tiny base and its adapters, is killed and restarts."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request as URLRequest
from urllib.request import urlopen

import pytest

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.errors import UnknownAdapterError
from agents.inference.provenance import Tier
from simulation.serving.vllm_server import ServerFailedError, VLLMServer
from tests.integration.vllm.servers import BASE, STARTUP, tiny_server
from tests.integration.vllm.tiny_model import TinyModel

pytestmark = pytest.mark.vllm

MESSAGES = [{"role": "system", "content": "You play."}, {"role": "user", "content": "Speak to the others now."}]
TOOL = {
    "type": "function",
    "function": {
        "name": "decide",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"action": {"enum": ["stay", "go"]}},
            "required": ["action"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
def make_client() -> Callable[[str, Tier], VLLMClient]:
    def make(url: str, tier: Tier) -> VLLMClient:
        return VLLMClient(url, settings=InferenceSettings(tiers=(tier,)))

    return make


def chat(server: VLLMServer, model: str, **more: Any) -> dict[str, Any]:
    body = {"model": model, "messages": MESSAGES, "temperature": 0, "max_tokens": 16} | more
    request = URLRequest(
        f"{server.url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urlopen(request) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


def text(server: VLLMServer, model: str, **more: Any) -> str:
    return str(chat(server, model, **more)["choices"][0]["message"]["content"])


def blanks(tiny: TinyModel) -> dict[str, int]:
    """Return a bias against every token of white space only."""
    from tokenizers import Tokenizer

    tokens = Tokenizer.from_file(str(tiny.base / "tokenizer.json"))
    return {str(number): -100 for number in range(tokens.get_vocab_size()) if not tokens.decode([number]).strip()}


class TestServing:
    def test_adapters_differ_and_repeat_themselves(self, vllm_server: VLLMServer, tiny: TinyModel) -> None:
        said = {name: text(vllm_server, name) for name in (BASE, *tiny.names)}
        assert len(set(said.values())) == 5
        assert said == {
            name: text(vllm_server, name, seed=3) for name in said
        }  # the engine survives a request with `seed`

    def test_reply_names_the_adapter_and_counts_cached_tokens(self, vllm_server: VLLMServer, tiny: TinyModel) -> None:
        long = [{"role": "user", "content": "We share what we have. " * 20}]
        chat(vllm_server, "ada", messages=long)
        replies = {name: chat(vllm_server, name, messages=long) for name in ("ada", "ben")}
        assert {name: reply["model"] for name, reply in replies.items()} == {"ada": "ada", "ben": "ben"}
        cached = {name: reply["usage"]["prompt_tokens_details"]["cached_tokens"] for name, reply in replies.items()}
        assert cached["ada"] > 32
        assert cached["ben"] == 0  # a prefix is cached for each adapter separately

    @pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "decide"}}])
    def test_tools_are_called(self, vllm_server: VLLMServer, tiny: TinyModel, choice: Any) -> None:
        # with "required" a model may call again and again, with any white space; this untrained one may never stop
        once = {"stop": ["</tool_call>"], "include_stop_str_in_output": True, "logit_bias": blanks(tiny)}
        reply = chat(vllm_server, "ada", tools=[TOOL], tool_choice=choice, max_tokens=64, **once)
        [call] = reply["choices"][0]["message"]["tool_calls"]
        assert call["function"]["name"] == "decide"
        assert json.loads(call["function"]["arguments"])["action"] in ("stay", "go")

    @pytest.mark.parametrize("tier", [Tier.CAMEL, Tier.HTTP])
    async def test_our_client_gets_texts_and_choices(
        self, vllm_server: VLLMServer, make_client: Callable[..., VLLMClient], tier: Tier
    ) -> None:
        async with make_client(vllm_server.url, tier) as client:
            reply = await client.ask("Stay or go?", adapter="ben", choices=("stay", "go"), temperature=0)
            assert reply.text in ("stay", "go")
            assert (reply.provenance.tier, reply.provenance.adapter) == (tier, "ben")
            assert (await client.ask("Your plan?", adapter="ben", temperature=0)).text
            with pytest.raises(UnknownAdapterError, match="served: ada, ben, cyd, dee, tiny"):
                await client.ask("Your plan?", adapter="bob")


class TestKillAndRestart:
    def test_killed_server_restarts_on_its_port(self, vllm_server: VLLMServer, second_vllm_server: VLLMServer) -> None:
        before, url = text(second_vllm_server, "ada"), second_vllm_server.url
        second_vllm_server.kill()
        assert not second_vllm_server.healthy()
        with pytest.raises(OSError, match="refused"):
            text(second_vllm_server, "ada")
        assert text(vllm_server, "ada") == before  # the other one still works
        second_vllm_server.restart(STARTUP)
        assert (second_vllm_server.url, text(second_vllm_server, "ada")) == (url, before)

    def test_used_port_is_an_error(self, vllm_server: VLLMServer, tiny: TinyModel, vllm_logs: Path) -> None:
        intruder = tiny_server(tiny, vllm_logs, port=vllm_server.command.port)
        with pytest.raises(ServerFailedError, match="another server answers"):
            intruder.start()


def test_the_base_stays_itself_in_a_batch_with_adapters(tiny: TinyModel, vllm_logs: Path) -> None:
    """With no empty slot of adapters, all six differ in a mixed batch; asked one at a time, none does."""
    with tiny_server(tiny, vllm_logs) as server:
        server.wait_ready(STARTUP)
        alone = {name: text(server, name) for name in (BASE, *tiny.names)}
        names = [BASE, *tiny.names] * 6
        with ThreadPoolExecutor(len(names)) as pool:
            together = list(pool.map(lambda name: text(server, name), names))
    assert [(name, said) for name, said in zip(names, together, strict=True) if said != alone[name]] == []
