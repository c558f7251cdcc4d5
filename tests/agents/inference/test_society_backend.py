"""CAMEL agents that have our client as their model."""

from __future__ import annotations

import timeit
from dataclasses import replace
from pathlib import Path

import pytest
from camel.agents import ChatAgent  # noqa: TID251 - what a user would do

from agents.inference.backend import InferenceSettings
from agents.inference.client import VLLMClient
from agents.inference.errors import FloorReachedError, PermanentError
from agents.inference.provenance import CallRecord, Sampling, Tier
from agents.inference.society_backend import SocietyBackend
from tests.support.scripted_vllm import ScriptedVLLM


class TestSocietyBackend:
    """A real CAMEL ChatAgent that speaks through the client."""

    async def test_a_camel_agent_steps_through_the_client(self, stub: ScriptedVLLM) -> None:
        records: list[CallRecord] = []
        async with VLLMClient(stub.url, on_call=records.append) as client:
            agent = ChatAgent("You are a leader.", model=SocietyBackend(client, "defector", model_id="m7"))
            response = await agent.astep("What is your plan?")
            assert response.msg.content == "hello from defector"
            again = await agent.astep("And then?")
        assert again.msg.content == "hello from defector"
        assert [message["role"] for message in stub.bodies[-1]["messages"]] == [
            "system",
            "user",
            "assistant",
            "user",
        ]
        assert [record.key.model_id for record in records] == ["m7", "m7"]
        assert len({record.key for record in records}) == 2

    async def test_the_template_sets_sampling_choices_and_seed(self, stub: ScriptedVLLM) -> None:
        async with VLLMClient(stub.url) as client:
            backend = SocietyBackend(client, "cooperator")
            backend.template = replace(backend.template, sampling=Sampling(max_tokens=9), choices=("x", "y"))
            response = await ChatAgent("You decide.", model=backend).astep("Choose.")
        assert response.msg.content == "x"
        assert stub.bodies[0]["max_completion_tokens"] == 9

    async def test_the_completion_names_the_tier_that_answered(self) -> None:
        async with VLLMClient(settings=InferenceSettings(tiers=(Tier.SIMULATED,))) as client:
            result = await SocietyBackend(client, "cooperator").arun([{"role": "user", "content": "hello"}])
        assert result.system_fingerprint == "simulated"

    async def test_a_response_format_is_refused(self) -> None:
        async with VLLMClient(settings=InferenceSettings(tiers=(Tier.SIMULATED,))) as client:
            with pytest.raises(PermanentError, match="choices"):
                await SocietyBackend(client, "cooperator").arun([], response_format=CallRecord)

    def test_a_synchronous_agent_steps_too(self, stub_in_thread: str) -> None:
        agent = ChatAgent("You play.", model=SocietyBackend(VLLMClient(stub_in_thread), "cooperator"))
        assert [agent.step("Speak.").msg.content for _ in range(2)] == ["hello from cooperator"] * 2

    async def test_a_synchronous_agent_steps_inside_a_running_loop(self, stub_in_thread: str) -> None:
        agent = ChatAgent("You play.", model=SocietyBackend(VLLMClient(stub_in_thread), "cooperator"))
        assert agent.step("Speak.").msg.content == "hello from cooperator"

    def test_a_society_backend_is_built_in_a_fifth_of_a_millisecond(self) -> None:
        client = VLLMClient()
        seconds = min(timeit.repeat(lambda: SocietyBackend(client, "cooperator"), number=200, repeat=3)) / 200
        assert seconds < 0.0002


class TestTools:
    async def test_a_stock_social_agent_does_a_tool_called_action(self, stub: ScriptedVLLM, tmp_path: Path) -> None:
        from tests.agents.inference.stock_agent import step_stock_agents

        stub.calls_tools = True
        records: list[CallRecord] = []
        async with VLLMClient(stub.url, on_call=records.append) as client:
            trace = await step_stock_agents(client, ("cooperator", "defector"), tmp_path)
        done = [(user, action) for user, action, _ in trace if action in ("create_post", "do_nothing")]
        assert sorted(user for user, _ in done) == [0, 1]
        offered = [tool["function"]["name"] for tool in stub.bodies[0]["tools"]]
        assert offered == ["create_post", "do_nothing"]
        assert {record.tier for record in records} == {Tier.CAMEL}
        assert {record.adapter for record in records} == {"cooperator", "defector"}

    async def test_tools_calls_and_results_pass_through_unchanged(self, stub: ScriptedVLLM) -> None:
        stub.calls_tools = True
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
        called = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        said = [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": "", "tool_calls": [called]},
            {"role": "tool", "content": "nothing there", "tool_call_id": "c1"},
        ]
        async with VLLMClient(stub.url) as client:
            backend = SocietyBackend(client, "cooperator", config={"tool_choice": "required", "max_tokens": 9})
            completion = await backend.arun(said, tools=[tool])
        [body] = stub.bodies
        assert (body["messages"], body["tools"], body["tool_choice"]) == (said, [tool], "required")
        assert body["max_completion_tokens"] == 9
        assert completion.choices[0].finish_reason == "tool_calls"
        assert completion.choices[0].message.tool_calls[0].function.name == "look"

    async def test_a_tier_without_tools_is_not_asked(self, stub: ScriptedVLLM) -> None:
        async with VLLMClient(stub.url, settings=InferenceSettings(tiers=(Tier.EMBEDDED,))) as client:
            with pytest.raises(FloorReachedError, match="cannot call tools"):
                await SocietyBackend(client, "cooperator").arun(
                    [], tools=[{"type": "function", "function": {"name": "f"}}]
                )

    async def test_unknown_configuration_is_refused(self) -> None:
        with pytest.raises(PermanentError, match="does not take stop"):
            SocietyBackend(VLLMClient(), "cooperator", config={"stop": ["x"]})
