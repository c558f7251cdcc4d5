"""`SocietyBackend`: a `VLLMClient` as the model of any CAMEL agent, CAMEL's own or ours.

    agent = SocialAgent(agent_id=0, user_info=..., model=SocietyBackend(client, "negotiator"), ...)

With this one constructor argument the agent has balancing, failover, tiers, records and provenance.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.inference.errors import PermanentError
from agents.inference.provenance import ChatMessage, Purpose, Reply, Request, Sampling, ToolCall
from agents.inference.servers.camel import TOKEN_COUNTER, BaseModelBackend, BaseTokenCounter, ChatCompletion, text_of

if TYPE_CHECKING:
    from agents.inference.client import VLLMClient

NO_LIMIT = 999_999_999


class SocietyBackend(BaseModelBackend):
    """A CAMEL model whose replies come through a `VLLMClient`, with tiers, records and provenance.

    `template` is the request that every call is made from (base model, sampling, choices, seed, situation); it may be
    replaced between calls. Its messages and tools are replaced by the agent's, its key by a new one outside every
    episode. The tier that answered is the completion's `system_fingerprint`. Streaming and response formats are not
    offered, as not every tier has them.

    Args:
        client: Generates the replies.
        adapter: The adapter that answers.
        model_id: The model's name in records; the adapter's by default.
        base_model: The base model; the client's by default.
        config: A CAMEL model's temperature, top_p, max_tokens and seed, and `tool_choice`: "required" makes every reply
            to an agent with tools a tool call.

    Raises:
        PermanentError: `config` has a key that not every tier can respect.
        InvalidRequestError: A value of `config` is out of its range.
    """

    def __init__(
        self,
        client: VLLMClient,
        adapter: str,
        *,
        model_id: str = "",
        base_model: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(model_type=adapter, model_config_dict={}, token_counter=TOKEN_COUNTER, max_retries=0)
        self.client = client
        self.template = _configured(
            Request(
                key=client.next_key(model_id or adapter),
                adapter=adapter,
                messages=(),
                base_model=base_model or client.base_model,
            ),
            dict(config or {}),
        )

    @property
    def token_counter(self) -> BaseTokenCounter:
        """Return a counter that needs no download."""
        return TOKEN_COUNTER

    @property
    def token_limit(self) -> int:
        """Return a limit that is never reached: the server knows its context; CAMEL would drop messages silently."""
        return NO_LIMIT

    async def _arun(
        self,
        messages: list[dict[str, Any]],
        response_format: type | None = None,
        tools: list[dict[str, Any]] | None = None,
    ) -> ChatCompletion:
        if response_format is not None:
            raise PermanentError("SocietyBackend answers with text; put `choices` in its template instead")
        return _completion(await self.client.generate(self._request(messages, tools or ())))

    def _run(
        self,
        messages: list[dict[str, Any]],
        response_format: type | None = None,
        tools: list[dict[str, Any]] | None = None,
    ) -> ChatCompletion:
        """Do the same for synchronous agents, in the client's own background loop."""
        answer: ChatCompletion = self.client.wait_for(self._arun(messages, response_format, tools))
        return answer

    def _request(self, messages: Sequence[dict[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Request:
        key = self.client.next_key(self.template.key.model_id, Purpose.ACT if tools else Purpose.TALK)
        return replace(self.template, key=key, messages=tuple(map(_message, messages)), tools=tuple(tools))


def _configured(template: Request, config: dict[str, Any]) -> Request:
    """Return `template` with a CAMEL model's configuration. Raises PermanentError for an unknown key."""
    seed, choice = config.pop("seed", None), config.pop("tool_choice", "auto")
    budget = config.pop("max_completion_tokens", None) or config.pop("max_tokens", None)
    known = {name: config.pop(name) for name in ("temperature", "top_p") if name in config}
    if config or choice not in ("auto", "required"):
        asked = ", ".join(config) or f"tool_choice {choice!r}"
        raise PermanentError(
            f"SocietyBackend does not take {asked}; it takes temperature, top_p, max_tokens, seed and tool_choice"
        )
    sampling = Sampling(**known, **({"max_tokens": budget} if budget else {}))
    return replace(template, sampling=sampling, seed=seed, must_use_tool=choice == "required")


def _message(message: Mapping[str, Any]) -> ChatMessage:
    calls = tuple(
        ToolCall(str(call["id"]), str(call["function"]["name"]), str(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    )
    return ChatMessage(str(message.get("role")), text_of(message), calls, str(message.get("tool_call_id") or ""))


def _completion(reply: Reply) -> ChatCompletion:
    origin = reply.provenance
    usage = {"prompt_tokens": origin.prompt_tokens or 0, "completion_tokens": origin.completion_tokens or 0}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in reply.tool_calls
    ]
    ended = "tool_calls" if calls else "length" if origin.finish_reason == "length" else "stop"
    message = {"role": "assistant", "content": reply.text, "tool_calls": calls or None}
    return ChatCompletion.model_validate(
        {
            "id": f"society-{origin.tier.value}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": origin.adapter,
            "system_fingerprint": origin.tier.value,
            "choices": [{"index": 0, "finish_reason": ended, "message": message}],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }
    )
