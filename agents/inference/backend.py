"""The contract of a tier: one file a tier, each with one class of this shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.inference.provenance import FALLBACK_ORDER, ChatMessage, Request, Tier, ToolCall
from agents.inference.servers.balancing import Balancing

Progress = Callable[[str], None]
"""Is told, in a line for the user, what a long preparation is doing."""


@dataclass(frozen=True)
class InferenceSettings:
    """How a client may behave.

    `tiers` are tried in the order given; `require` forbids falling below that tier. `timeout` is seconds for one
    attempt once it is sent, `deadline` for all attempts of a call at servers, waits included; `retries` counts
    attempts after every server was tried once. `concurrency` bounds the calls in flight at one server; it adapts below
    that. `cooldown` is the longest pause in seconds a failing server is given, `health_interval` the time between looks
    at every server. `balancing` None is adapter affinity, over `replicas` servers an adapter.
    """

    tiers: tuple[Tier, ...] = FALLBACK_ORDER
    require: Tier | None = None
    timeout: float = 60.0
    retries: int = 2
    concurrency: int = 64
    cooldown: float = 30.0
    deadline: float = 300.0
    health_interval: float = 5.0
    balancing: Balancing | None = None
    replicas: int = 2

    @property
    def allowed(self) -> tuple[Tier, ...]:
        """The tiers that may answer, best first."""
        if self.require is None:
            return self.tiers
        floor = FALLBACK_ORDER.index(self.require)
        return tuple(tier for tier in self.tiers if FALLBACK_ORDER.index(tier) <= floor)


@dataclass(frozen=True)
class EndpointSettings:
    """One server. `api_key_env` names the environment variable that holds its key, or the keyring's entry; with
    `adapters` it is asked for those only, of what it serves; `pinned_only`, it takes the calls that name it and no
    others."""

    url: str
    api_key_env: str | None = None
    adapters: tuple[str, ...] | None = None
    pinned_only: bool = False


@dataclass
class Route:
    """Where one attempt may go: servers to pass over where others can answer, and the moment (monotonic seconds) by
    which it must be over. Two are filled in: `taken`, the URL of the server that was asked, and `waited`, the seconds
    the request waited for a place there before it was sent."""

    avoid: frozenset[str] = frozenset()
    until: float = math.inf
    taken: str = ""
    waited: float = 0.0


@dataclass(frozen=True)
class Detection:
    """What detection found of one tier (for servers: at one endpoint). `detail` is a sentence for the user."""

    tier: Tier
    available: bool
    detail: str
    endpoint: str = ""
    adapters: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A tier's answer to one request; `choice_probability` and `tool_calls` as in `Reply`. `waited` is the seconds the
    request waited inside a tier without servers before work on it began: they count as queue time, not as latency.
    `cached_tokens` of the prompt were in a prefix cache; `first_token_time` is seconds, None where not known."""

    text: str
    endpoint: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str = "stop"
    choice_probability: float | None = None
    waited: float = 0.0
    tool_calls: tuple[ToolCall, ...] = ()
    cached_tokens: int | None = None
    first_token_time: float | None = None


class TierBackend(Protocol):
    """One tier.

    `detect` never raises: what cannot be reached is a Detection with available False. `refuses` gives the
    reason why this tier cannot answer this request (a base it does not hold), or the empty string.
    `prepare` loads ahead what the first call would wait for; raises PermanentError where it cannot be had.
    `complete` raises TransientError, PermanentError or UnknownAdapterError; with `request.choices` the text
    is one of them unless the tier cannot constrain its output. A tier without servers takes no notice of `route`.
    """

    tier: Tier

    async def detect(self) -> Sequence[Detection]: ...

    def refuses(self, request: Request) -> str: ...

    async def prepare(self, progress: Progress) -> None: ...

    async def complete(self, request: Request, route: Route) -> Completion: ...

    async def aclose(self) -> None: ...


def base_name(model: str) -> str:
    """A base model's name without its owner: "HuggingFaceTB/SmolLM2-135M-Instruct" is "smollm2-135m-instruct"."""
    return model.rstrip("/").rsplit("/", 1)[-1].lower()


def as_openai(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages in the shape of the OpenAI chat API."""
    return [_as_openai(message) for message in messages]


def _as_openai(message: ChatMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain
