"""The camel tier: CAMEL's own vLLM model, one per endpoint.

Importing this module imports CAMEL (1.3 s), so it is imported only when first needed.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from agents.inference.backend import Completion
from agents.inference.provenance import Request, Tier
from agents.inference.servers.chat import ChatCalls
from agents.inference.servers.choice_odds import odds_fields
from agents.inference.servers.dialects.dialect import MAX_COMPLETION_TOKENS, MAX_TOKENS, Dialect
from agents.inference.servers.endpoint import Endpoint
from agents.inference.servers.server import ServerBackend
from agents.inference.servers.slots import Slots
from agents.inference.servers.wire import chat_messages, constraint, thinking_fields, token_budget, tool_fields


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Set the variable that stops CAMEL from giving the root logger a handler when it is imported."""
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

__all__ = [
    "TOKEN_COUNTER",
    "BaseModelBackend",
    "BaseTokenCounter",
    "CamelBackend",
    "ChatCompletion",
    "text_of",
    "vllm_model",
]

_BYTES_PER_TOKEN = 3


class OfflineTokenCounter(BaseTokenCounter):
    """Estimates token counts without a download: three bytes of UTF-8 a token (a Chinese character is one token)."""

    def count_tokens_from_messages(self, messages: list[dict[str, Any]]) -> int:
        """Return the estimated number of tokens of a prompt."""
        return sum(4 + len(self.encode(text_of(message))) for message in messages)

    def encode(self, text: str) -> list[int]:
        """Return one number for every three bytes of the text."""
        data, width = text.encode(), _BYTES_PER_TOKEN
        return [int.from_bytes(b"\x01" + data[i : i + width], "big") for i in range(0, len(data), width)]

    def decode(self, token_ids: list[int]) -> str:
        """Return the text that `encode` made the numbers of."""
        parts = (token.to_bytes(_BYTES_PER_TOKEN + 1, "big").lstrip(b"\x00")[1:] for token in token_ids)
        return b"".join(parts).decode(errors="ignore")


TOKEN_COUNTER = OfflineTokenCounter()


def vllm_model(
    url: str, model_name: str, timeout: float, retries: int = 0, api_key: str | None = None
) -> BaseModelBackend:
    """Return CAMEL's model for a served name. It contacts nothing and starts no server.

    Args:
        url: The server's URL.
        model_name: The served name.
        timeout: Seconds for one attempt.
        retries: Attempts after the first one.
        api_key: The server's key. With one it is CAMEL's model for OpenAI-compatible servers, as CAMEL's vLLM model
            ignores the key.
    """
    return ModelFactory.create(
        model_platform=ModelPlatformType.OPENAI_COMPATIBLE_MODEL if api_key else ModelPlatformType.VLLM,
        model_type=model_name,
        model_config_dict={},
        url=url,
        token_counter=TOKEN_COUNTER,
        timeout=timeout,
        max_retries=retries,
        api_key=api_key,
    )


class CamelBackend(ServerBackend):
    """A `TierBackend` that asks the endpoints of `slots` through CAMEL; one CAMEL model per endpoint.

    CAMEL's model prepares, logs and traces the call and sends it through its `_async_client`. In the place of openai's
    client there is one of ours with the same method, which takes a fifth of the time: openai's spends most of it on
    checking the request and the reply against their types, and httpx on its pool.
    """

    tier = Tier.CAMEL

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self._calls = ChatCalls(self._settings.trust_env)
        self._models: dict[str, BaseModelBackend] = {}

    async def aclose(self) -> None:
        """Close the running loop's connections."""
        await self._calls.aclose()

    async def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        payload = await self._model_for(endpoint, request).arun(chat_messages(request, endpoint.dialect))
        return endpoint.read(payload, request)

    def _model_for(self, endpoint: Endpoint, request: Request) -> BaseModelBackend:
        """Return a copy of the endpoint's model for one adapter: a copy takes 0.01 ms, building one takes 50 ms."""
        if endpoint.url not in self._models:
            self._models[endpoint.url] = self._build(endpoint, request.adapter)
        model = copy.copy(self._models[endpoint.url])
        model.model_type = UnifiedModelType(endpoint.name_of(request.adapter))
        model.model_config_dict = _config(request, endpoint.dialect)
        return model

    def _build(self, endpoint: Endpoint, adapter: str) -> BaseModelBackend:
        model = vllm_model(endpoint.url, adapter, self._settings.timeout, api_key=endpoint.api_key())
        model._client.close()  # CAMEL's synchronous client is never used
        model._async_client = _Client(self._calls, endpoint)
        return model


class _Client:
    """What CAMEL's model uses of openai's client: `chat.completions.create`. It returns the server's JSON."""

    def __init__(self, calls: ChatCalls, endpoint: Endpoint) -> None:
        self._calls = calls
        self._endpoint = endpoint
        self.chat = self.completions = self

    async def create(self, *, extra_body: Mapping[str, Any] | None = None, **fields: Any) -> Any:
        """Make a chat call, as openai's client does."""
        return await self._calls.ask(self._endpoint, {**fields, **(extra_body or {})})


def _config(request: Request, dialect: Dialect) -> dict[str, Any]:
    config: dict[str, Any] = {
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        **tool_fields(request),
        **(odds_fields(request) if dialect.odds else {}),
    }
    extra, budget = constraint(request, dialect) | thinking_fields(request, dialect), token_budget(request, dialect)
    if dialect.probed and dialect.tokens_field == MAX_TOKENS:
        extra = {MAX_TOKENS: budget, **extra}  # not as max_tokens itself: CAMEL takes that for the context's size
    else:
        config[MAX_COMPLETION_TOKENS] = budget
    if request.seed is not None and dialect.seed:
        config["seed"] = request.seed
    if extra:
        config["extra_body"] = extra
    return config


def text_of(message: Mapping[str, Any]) -> str:
    """Return a message's text; of a list of parts, those that are text."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part["text"]) for part in content if part.get("type") == "text")
