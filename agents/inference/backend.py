"""The interface of a tier (`TierBackend`), its settings and its results. Each tier is one class in one file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agents.dataclass_init import quick_init
from agents.inference.provenance import FALLBACK_ORDER, ChatMessage, Request, Tier, ToolCall
from agents.inference.servers.balancing import Balancing

_QUANTISED = re.compile(
    r"([-_.:](unsloth|bnb|dynamic|quantized|gptq|awq|gguf|mlx|hqq|exl[23]|eetq|aqlm|dwq|marlin|torchao|autoround|"
    r"(nv|mx)?fp4|nf4|fp8|(b|f|fp)(16|32)|int[48](-inc)?|(g|group)?(32|64|128)g?|[2-8]-?bit|[2-8]\.\d+-?bpw|w\d+a\d+|"
    r"i?q[2-8](_[0-9a-z]{1,3}){0,2}|per-(tensor|channel|token)))+$"
)
Progress = Callable[[str], None]
"""Receives, as a line for the user, what a long preparation is doing."""


@dataclass(frozen=True)
class InferenceSettings:
    """How a client behaves.

    Args:
        tiers: The tiers, tried in this order.
        require: The last tier that may answer; no call falls back below it.
        timeout: Seconds for one attempt, from when it is sent.
        retries: Attempts after every server was tried once.
        concurrency: The most calls in flight at one server; the limit adapts below it.
        cooldown: The longest pause, in seconds, that a failing server is given.
        deadline: Seconds for all attempts of a call at servers, waits included.
        health_interval: Seconds between two health checks of a server.
        balancing: The policy that picks a server; None is the one with the fewest calls.
        replicas: With adapter affinity, the number of servers for each adapter.
        trust_env: Whether servers are asked through the proxies that the environment names (HTTP_PROXY, NO_PROXY).
        embedded_model: The embedded tier's base model, a folder or a name at the hub; None is SmolLM2-135M-Instruct.
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
    trust_env: bool = False
    embedded_model: str | None = None

    @property
    def allowed(self) -> tuple[Tier, ...]:
        """Return the tiers that may answer, in order."""
        if self.require is None:
            return self.tiers
        floor = FALLBACK_ORDER.index(self.require)
        return tuple(tier for tier in self.tiers if FALLBACK_ORDER.index(tier) <= floor)


@dataclass(frozen=True)
class EndpointSettings:
    """One server.

    Args:
        url: Its URL, which ends in `/v1`.
        api_key_env: The environment variable that has its API key, or the entry in the system's keyring.
        adapters: The only adapters that it is asked for; None is all that it serves.
        names: Adapter -> the name that this server has for it, where that is another.
        reply_names: Adapter -> the name that this server's replies have for it, where that is not the one asked for.
        pinned_only: It takes only the calls that are pinned to it.
    """

    url: str
    api_key_env: str | None = None
    adapters: tuple[str, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    reply_names: Mapping[str, str] = field(default_factory=dict, hash=False)
    pinned_only: bool = False


@dataclass
class Route:
    """Where one attempt may go, and where it went.

    Args:
        avoid: URLs of servers to pass over if others can answer.
        until: The moment (monotonic seconds) by which the attempt must be over.
        taken: Set by the tier: the URL of the server that was asked.
        waited: Set by the tier: the seconds that the request waited for a slot before it was sent.
    """

    avoid: frozenset[str] = frozenset()
    until: float = math.inf
    taken: str = ""
    waited: float = 0.0


@dataclass(frozen=True)
class Detection:
    """What detection found about a tier, or about one endpoint of a server tier; `detail` is a text for the user."""

    tier: Tier
    available: bool
    detail: str
    endpoint: str = ""
    adapters: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()


@quick_init
@dataclass(frozen=True)
class Completion:
    """A tier's answer to one request.

    Args:
        text: The text.
        endpoint: The server's URL; empty for a tier without servers.
        prompt_tokens: Tokens of the prompt; like the other counts, None where the tier does not know.
        completion_tokens: Tokens of the answer.
        finish_reason: Why the answer ended: "stop", "length" or "tool_calls".
        choice_probability: As in `Reply`.
        waited: Seconds that the request waited in a tier without servers; they count as queue time, not as latency.
        tool_calls: The tools that the model calls.
        cached_tokens: Tokens of the prompt that a prefix cache had.
        first_token_time: Seconds until the first token.
        reasoning: What the model thought before it answered.
        reasoning_tokens: Tokens of the thought, which count among `completion_tokens`.
        constrained: True where the tier was asked to constrain the text to the choices, and it is one of them.
        shares: The probability of each choice at temperature 1, in their order; empty where the tier does not know.
    """

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
    reasoning: str = ""
    reasoning_tokens: int | None = None
    constrained: bool = False
    shares: tuple[float, ...] = ()


class TierBackend(Protocol):
    """One tier."""

    tier: Tier

    async def detect(self) -> Sequence[Detection]:
        """Find what the tier has. Never raises: what cannot be reached is a Detection with available False."""
        ...

    def refuses(self, request: Request) -> str:
        """Return why this tier cannot answer this request (a base model it does not have), or an empty text."""
        ...

    async def prepare(self, progress: Progress) -> None:
        """Load what the first call would wait for.

        Raises:
            PermanentError: It cannot be loaded.
        """
        ...

    async def complete(self, request: Request, route: Route) -> Completion:
        """Make one attempt; with `request.choices` the text is one of them, if the tier can constrain its output.

        A tier without servers ignores `route`.

        Raises:
            TransientError, PermanentError, UnknownAdapterError: The attempt failed; `agents.inference.errors` says how.
        """
        ...

    async def aclose(self) -> None:
        """Release what the running event loop's calls used."""
        ...


def base_name(model: str) -> str:
    """Return a base model's name in lower case and without its owner or folder: "qwen2-7b" for "Qwen/Qwen2-7B".

    A path may be of Windows, or a snapshot in the hub's cache ("models--Qwen--Qwen2-7B/snapshots/<revision>").
    """
    parts = [part for part in re.split(r"[/\\]", model.replace("___", ".")) if part]  # ModelScope's cache has no dots
    if "snapshots" in parts[1:-1]:
        folder = parts[parts.index("snapshots", 1) - 1]
        parts = folder.split("--") if folder.startswith("models--") else parts
    return (parts[-1] if parts else model).lower()


def same_base(one: str, other: str) -> bool:
    """Return whether two names are of one base model: owner, folder and quantisation do not count."""
    return _unquantised(one) == _unquantised(other)


def _unquantised(model: str) -> str:
    return _QUANTISED.sub("", base_name(model))


def as_openai(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Return messages in the shape of the OpenAI chat API."""
    return [
        _with_tools(message)
        if message.tool_calls or message.tool_call_id
        else {"role": message.role, "content": message.content}
        for message in messages
    ]


def _with_tools(message: ChatMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        plain["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain
