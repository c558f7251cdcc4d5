"""The tier camel: CAMEL's own vLLM model. And `SocietyBackend`, our client as the model of a CAMEL agent.

Importing this module imports CAMEL (1.3 s), so it is imported where it is first needed.
"""

from __future__ import annotations

import asyncio
import copy
import os
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from agents.inference.backend import Completion, InferenceSettings
from agents.inference.endpoints import Endpoint, EndpointPool, ServerLostError, reason
from agents.inference.errors import InferenceError, PermanentError
from agents.inference.provenance import ChatMessage, Reply, Request, Tier
from agents.inference.server import ServerBackend
from agents.inference.wire import constraint, error_of, read_completion, token_budget

if TYPE_CHECKING:
    from agents.inference.client import VLLMClient


@contextmanager
def _quiet_import() -> Iterator[None]:
    """CAMEL gives the root logger a handler to stdout when imported, unless this variable says not to."""
    name = "CAMEL_LOGGING_DISABLED"
    before = os.environ.get(name)
    os.environ[name] = before or "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


with _quiet_import():
    from camel.models import BaseModelBackend, ModelFactory
    from camel.types import ChatCompletion, ModelPlatformType, UnifiedModelType
    from camel.utils import BaseTokenCounter

NO_LIMIT = 999_999_999
_BYTES_PER_TOKEN = 3


class OfflineTokenCounter(BaseTokenCounter):
    """An estimate that needs no download: three bytes of UTF-8 a token (a Chinese character is one)."""

    def count_tokens_from_messages(self, messages: list[dict[str, Any]]) -> int:
        return sum(4 + len(self.encode(_text(message))) for message in messages)

    def encode(self, text: str) -> list[int]:
        data, width = text.encode(), _BYTES_PER_TOKEN
        return [int.from_bytes(b"\x01" + data[i : i + width], "big") for i in range(0, len(data), width)]

    def decode(self, token_ids: list[int]) -> str:
        parts = (token.to_bytes(_BYTES_PER_TOKEN + 1, "big").lstrip(b"\x00")[1:] for token in token_ids)
        return b"".join(parts).decode(errors="ignore")


TOKEN_COUNTER = OfflineTokenCounter()


def vllm_model(url: str, model_name: str, timeout: float, retries: int = 0) -> BaseModelBackend:
    """CAMEL's vLLM model for a served name. It contacts nothing; given a URL, it starts no server."""
    return ModelFactory.create(
        model_platform=ModelPlatformType.VLLM,
        model_type=model_name,
        model_config_dict={},
        url=url,
        token_counter=TOKEN_COUNTER,
        timeout=timeout,
        max_retries=retries,
    )


class CamelBackend(ServerBackend):
    """A `TierBackend` over the endpoints of `pool`; one CAMEL model per endpoint and event loop."""

    tier = Tier.CAMEL

    def __init__(self, pool: EndpointPool, settings: InferenceSettings) -> None:
        super().__init__(pool, settings)
        self._models: MutableMapping[asyncio.AbstractEventLoop, dict[str, BaseModelBackend]]
        self._models = WeakKeyDictionary()

    async def aclose(self) -> None:
        for model in self._models.pop(asyncio.get_running_loop(), {}).values():
            await model._async_client.close()
            model._client.close()

    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        from openai import APIConnectionError, APIStatusError, OpenAIError

        model = self._model_for(endpoint.url, request)
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            result = await asyncio.wait_for(model.arun(messages), self._settings.timeout)
        except asyncio.TimeoutError as error:
            raise ServerLostError(f"{endpoint.url} gave no answer within {self._settings.timeout:g} s") from error
        except APIConnectionError as error:  # a time-out of openai's is one too
            raise ServerLostError(f"the connection to {endpoint.url} broke ({reason(error)})") from error
        except APIStatusError as error:
            raise _status_error(error, endpoint, request.adapter) from error
        except (OpenAIError, ValueError) as error:
            raise PermanentError(f"{endpoint.url} answered what CAMEL cannot read: {error}") from error
        return read_completion(_payload(result), endpoint.url)

    def _model_for(self, url: str, request: Request) -> BaseModelBackend:
        """A copy of the endpoint's model (0.01 ms, where building one takes 50) that asks for one adapter."""
        models = self._models.setdefault(asyncio.get_running_loop(), {})
        if url not in models:
            models[url] = vllm_model(url, request.adapter, self._settings.timeout)
        model = copy.copy(models[url])
        model.model_type = UnifiedModelType(request.adapter)
        model.model_config_dict = _config(request)
        return model


def _config(request: Request) -> dict[str, Any]:
    config: dict[str, Any] = {
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "max_completion_tokens": token_budget(request),  # CAMEL takes max_tokens for the context's size
    }
    if request.seed is not None:
        config["seed"] = request.seed
    if request.choices:
        config["extra_body"] = constraint(request)
    return config


def _status_error(error: Any, endpoint: Endpoint, adapter: str) -> InferenceError:
    answer = error.response
    return error_of(
        answer.status_code,
        answer.content,
        answer.headers,
        adapter=adapter,
        endpoint=endpoint.url,
        served=endpoint.served,
    )


def _payload(result: Any) -> Any:
    return result.model_dump() if isinstance(result, ChatCompletion) else result


class SocietyBackend(BaseModelBackend):
    """A CAMEL model whose replies come through a `VLLMClient`: tiers, records and provenance included.

    Give one to any CAMEL `ChatAgent` or OASIS `SocialAgent`; `adapter` answers. `template` says how (base
    model, sampling, choices, seed, situation) and may be replaced between calls; its messages give way to
    the agent's, its key to a fresh one outside every episode. The tier that answered is the completion's
    `system_fingerprint`. Tools and response formats are not offered: not every tier has them.
    """

    def __init__(self, client: VLLMClient, adapter: str, *, model_id: str = "", base_model: str | None = None) -> None:
        super().__init__(model_type=adapter, model_config_dict={}, token_counter=TOKEN_COUNTER, max_retries=0)
        self.client = client
        self.template = Request(
            key=client.next_key(model_id or adapter),
            adapter=adapter,
            messages=(),
            base_model=base_model or client.base_model,
        )

    @property
    def token_counter(self) -> BaseTokenCounter:
        return TOKEN_COUNTER

    @property
    def token_limit(self) -> int:
        """No limit of its own: the server knows its context, and messages dropped here would go unseen."""
        return NO_LIMIT

    async def _arun(
        self,
        messages: list[dict[str, Any]],
        response_format: type | None = None,
        tools: list[dict[str, Any]] | None = None,
    ) -> ChatCompletion:
        if response_format is not None:
            raise PermanentError("SocietyBackend answers with text: put `choices` in its template instead")
        if tools:
            self.client.say_once("SocietyBackend does not offer tools: the agent's tools are left out")
        reply = await self.client.generate(self._request(messages))
        return _completion(reply)

    def _run(
        self,
        messages: list[dict[str, Any]],
        response_format: type | None = None,
        tools: list[dict[str, Any]] | None = None,
    ) -> ChatCompletion:
        """As `_arun`, for synchronous agents: in a thread and loop of its own, connected for one call."""

        async def once() -> ChatCompletion:
            try:
                return await self._arun(messages, response_format, tools)
            finally:
                await self.client.disconnect()

        return _in_thread(once)

    def _request(self, messages: Sequence[dict[str, Any]]) -> Request:
        said = tuple(ChatMessage(str(message.get("role")), _text(message)) for message in messages)
        return replace(self.template, key=self.client.next_key(self.template.key.model_id), messages=said)


def _text(message: dict[str, Any]) -> str:
    """A message's text; of a list of parts, those that are text."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content if part.get("type") == "text")


def _completion(reply: Reply) -> ChatCompletion:
    origin = reply.provenance
    usage = {"prompt_tokens": origin.prompt_tokens or 0, "completion_tokens": origin.completion_tokens or 0}
    choice = {
        "index": 0,
        "finish_reason": "length" if origin.finish_reason == "length" else "stop",
        "message": {"role": "assistant", "content": reply.text},
    }
    return ChatCompletion.model_validate(
        {
            "id": f"society-{origin.tier.value}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": origin.adapter,
            "system_fingerprint": origin.tier.value,
            "choices": [choice],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }
    )


def _in_thread(work: Any) -> ChatCompletion:
    """Run a coroutine function to its end whether or not this thread has a running loop."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(lambda: asyncio.run(work())).result()
